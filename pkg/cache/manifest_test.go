package cache

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"not JSON":     {"{", "parse manifest.json"},
		"other schema": {`{"schema": 2}`, "schema 2, want 1"},
		"outside":      {`{"schema": 1, "files": {"../x": {"size": 1}}}`, "outside the entry"},
		"absolute":     {`{"schema": 1, "files": {"/etc/passwd": {"size": 1}}}`, "outside the entry"},
		"negative":     {`{"schema": 1, "files": {"x": {"size": -1}}}`, "size -1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseManifest([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parseManifest() = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"schema": 1, "files": {"a/b": {"size": 1, "sha256": "00"}}}`))
	f.Add([]byte(`{"schema": 1, "files": {"..": {}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, name := range m.names() {
			if !filepath.IsLocal(name) {
				t.Errorf("took file %q", name)
			}
		}
		if m.digest() == "" {
			t.Error("no digest")
		}
	})
}

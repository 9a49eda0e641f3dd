package scenarios

import "testing"

func TestReleaseRange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text     string
		releases []string
		want     bool
	}{
		{"", nil, true},
		{"", []string{"no number"}, true},
		{">=6.1", nil, false},
		{">=6.1", []string{"no number"}, false},
		{">=6.1", []string{"6.1.0-28-amd64"}, true},
		{">=6.1", []string{"6.0.19"}, false},
		{"<6.13", []string{"6.12.117+deb13-amd64"}, true},
		{"<6.13", []string{"6.13.0-rc1"}, false},
		{">=6.0 <6.13", []string{"6.9.3", "6.12.1"}, true},
		{">=6.0 <6.13", []string{"6.9.3", "6.14.1"}, false},
		{">=6.9.4", []string{"6.10"}, true},
		{">=6.9.4", []string{"6.9.3"}, false},
		{">=1.32", []string{"v1.36.3"}, true},
		{">=1.32", []string{"v1.31.14", "v1.36.3"}, false},
		{"<1.32", []string{"v1.31.14+k3s1"}, true},
		{"<1.32", []string{"version 1.31"}, false},
		{"<10", []string{"6.12.117+deb13-amd64"}, true},
	} {
		r, err := parseReleaseRange(tc.text)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		if got := r.has(tc.releases); got != tc.want {
			t.Errorf("%q has %q: %v, want %v", tc.text, tc.releases, got, tc.want)
		}
	}
	for _, bad := range []string{"6.1", ">6.1", "<=6.1", ">=6.1 >=6.2", ">=", "<6.x", ">=6.1.2.3", ">=6.2 <6.1", ">=6.1 <6.1", ">= 6.1", ">=99999999999999999999"} {
		if _, err := parseReleaseRange(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

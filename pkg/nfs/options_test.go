package nfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		want  Options
		fails bool
	}{
		{in: "", want: Options{}},
		{in: "vers=4.2,soft,timeo=50", want: Options{"vers": "4.2", "soft": "", "timeo": "50"}},
		{in: "timeo=1,timeo=2", want: Options{"timeo": "2"}},
		{in: "x=a=b,,y", want: Options{"x": "a=b", "y": ""}},
		{in: "=1", fails: true},
		{in: "soft, hard", fails: true},
		{in: "soft\x00", fails: true},
	} {
		got, err := ParseOptions(tc.in)
		if (err != nil) != tc.fails {
			t.Errorf("%q: error %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); !tc.fails && diff != "" {
			t.Errorf("%q: %s", tc.in, diff)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	for _, p := range Builtin() {
		f.Add(p.Options)
	}
	f.Add("=,=,==")
	f.Fuzz(func(t *testing.T, s string) {
		opts, err := ParseOptions(s)
		if err != nil {
			return
		}
		for k, v := range opts {
			if k == "" || strings.ContainsAny(k+v, ", \t\n") {
				t.Errorf("%q: option %q=%q", s, k, v)
			}
		}
	})
}

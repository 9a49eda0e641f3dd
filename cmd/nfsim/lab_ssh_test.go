package main

import "testing"

func TestRemoteCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{"--"}, ""},
		{[]string{"--", "systemctl", "status", "kubelet"}, "systemctl status kubelet"},
		{[]string{"exportfs -v | sort"}, "exportfs -v | sort"},
		{[]string{"git", "log", "--", "file"}, "git log -- file"},
	} {
		if got := remoteCommand(tc.words); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.words, got, tc.want)
		}
	}
}

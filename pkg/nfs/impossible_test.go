package nfs

import (
	"strings"
	"testing"
)

func TestImpossible(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ options, want string }{ // want "" is possible
		{"", ""},
		{"vers=3,nconnect=4", ""},
		{"vers=3,nolock", ""},
		{"vers=3,proto=udp", ""},
		{"vers=3,local_lock=flock,mountport=20048", ""},
		{"vers=4,minorversion=1,clientaddr=10.0.0.1", ""},
		{"vers=4.1,max_connect=4", ""},
		{"noac,actimeo=0", ""},
		{"soft,timeo=10,retrans=0", ""},
		{"hard,hard", ""},
		{"frobnicate,gamma=ray", ""},
		{"soft,hard", "hard and another option before it"},
		{"softerr,soft", "decide the same differently"},
		{"ac,noac", "decide the same differently"},
		{"vers=4.2,nfsvers=4.1", "decide the same differently"},
		{"v3,vers=4", "decide the same differently"},
		{"timeo=5,timeo=6", "decide the same differently"},
		{"proto=tcp,udp,vers=3", "decide the same differently"},
		{"noac,actimeo=5", "noac is attributes cached for 0 s"},
		{"vers=4.2,nolock", "vers=4.2 and nolock: nfs(5)"},
		{"nolock", "no vers, which means NFSv4.2, and nolock"},
		{"vers=4,local_lock=all", "options for NFS versions 2 and 3 only"},
		{"v4.1,noacl", "vers=4.1 and noacl"},
		{"vers=4.1,proto=udp", "NFSv4 does not run over UDP"},
		{"proto=udp6", "NFSv4 does not run over UDP"},
		{"vers=3,clientaddr=10.0.0.1", "NFS version 4 only"},
		{"vers=3,max_connect=2", "NFS version 4 only"},
		{"vers=4.0,max_connect=2", "sessions to trunk"},
		{"vers=4.1,minorversion=1", "the version has its minor number"},
		{"vers=3,udp,nconnect=2", "over UDP"},
		{"vers=2", "want one of 3, 4"},
		{"nconnect=17", "from 1 to 16"},
		{"timeo=0", "from 1 to"},
		{"actimeo=soon", "want a number"},
		{"lookupcache=negative", "want one of all, none"},
		{"vers=4.2, soft", "white space"},
	} {
		err := Impossible(tc.options)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%q: %v", tc.options, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%q: got %v, want %q", tc.options, err, tc.want)
		}
	}
	for _, p := range Builtin() {
		if err := Impossible(p.Options); err != nil {
			t.Errorf("profile %s: %v", p.Name, err)
		}
	}
}

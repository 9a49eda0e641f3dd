package kubebuild

import (
	"errors"
	"testing"
)

func TestCheckSkew(t *testing.T) {
	t.Parallel()
	tests := []struct{ control, kubelet, reason string }{
		{"v1.36.3", "v1.36.3", ""},
		{"v1.36.1", "v1.36.3", ""},
		{"v1.36.3", "v1.35.4", ""},
		{"v1.36.3", "v1.33.13", ""},
		{"v1.36.3", "v1.32.13", "it is 4 minor versions older, and 3 are supported"},
		{"v1.36.3", "v1.29.6", "it is 7 minor versions older, and 3 are supported"},
		{"v1.35.4", "v1.36.1", "a kubelet must not be newer than its API server"},
		{"v2.0.0", "v1.36.3", "their major versions differ"},
	}
	for _, tt := range tests {
		err := CheckSkew(tt.control, tt.kubelet)
		var skew *SkewError
		switch {
		case tt.reason == "" && err != nil:
			t.Errorf("CheckSkew(%s, %s) = %v, want nil", tt.control, tt.kubelet, err)
		case tt.reason != "" && !errors.As(err, &skew):
			t.Errorf("CheckSkew(%s, %s) = %v, want a SkewError", tt.control, tt.kubelet, err)
		case tt.reason != "" && skew.Reason != tt.reason:
			t.Errorf("CheckSkew(%s, %s): reason %q, want %q", tt.control, tt.kubelet, skew.Reason, tt.reason)
		}
	}
	want := "kubelet v1.36.1 does not go with API server v1.35.4: a kubelet must not be newer than its API server (https://kubernetes.io/releases/version-skew-policy/)"
	if got := CheckSkew("v1.35.4", "v1.36.1").Error(); got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if err := CheckSkew("1.36.3", "v1.36.3"); err == nil {
		t.Error("a version without v was taken")
	}
}

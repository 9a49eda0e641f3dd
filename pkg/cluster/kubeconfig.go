package cluster

import (
	"encoding/base64"
	"fmt"
)

// kubeconfig has every certificate inline, so that it is one file. The format
// is clientcmd/v1.Config of k8s.io/client-go, written out here because a
// package that makes files need not link the client.
func kubeconfig(serverURL, user string, ca []byte, p pair) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: nfsim
  cluster:
    server: %q
    certificate-authority-data: %s
users:
- name: %q
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: nfsim
  context:
    cluster: nfsim
    user: %q
current-context: nfsim
`, serverURL, b64(ca), user, b64(p.cert), b64(p.key), user)
}

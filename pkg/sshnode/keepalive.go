package sshnode

import (
	"fmt"
	"time"
)

// keepAlive asks the node again and again whether it is there, as OpenSSH's
// ServerAliveInterval does, and breaks the connection when it does not answer:
// a machine that lost its power or its network sends no end of stream.
func (n *Node) keepAlive() {
	tick := time.NewTicker(n.cfg.KeepAlive)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	asking, missed := false, 0
	for {
		select {
		case <-n.closed:
			return
		case <-answered:
			asking, missed = false, 0
		case <-tick.C:
			if !asking {
				asking = true
				go func() {
					// Any answer will do; OpenSSH answers that it does not know the request.
					if _, _, err := n.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
						answered <- struct{}{}
					}
				}()
				continue
			}
			if missed++; missed == missedKeepAlives {
				n.wire.fail(fmt.Errorf("no answer to a keep-alive for %s", missedKeepAlives*n.cfg.KeepAlive))
				return
			}
		}
	}
}

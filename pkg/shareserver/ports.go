package shareserver

import (
	"fmt"
	"hash/fnv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// The ports that are given out: above those of the NFS services that have one of
// their own, below the range that Linux takes for connections that go out (32768
// to 60999, ip(7), ip_local_port_range).
const (
	firstPort = 20500
	ports     = 1000
)

// allocator gives out ports. It gives none out a second time to another resource
// for as long as it lives, so that a resource that is made anew has another
// address than the one that it comes after, as with the addresses of a service.
type allocator struct {
	mu    sync.Mutex
	given map[int64]types.UID
}

// next is a port for a resource: the first from a place that its UID says which is
// not taken.
func (a *allocator) next(uid types.UID, taken map[int64]bool) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid)) // a hash does not fail
	start := int64(h.Sum32() % ports)
	for i := range int64(ports) {
		port := firstPort + (start+i)%ports
		if owner, ok := a.given[port]; taken[port] || ok && owner != uid {
			continue
		}
		a.note(port, uid)
		return port, nil
	}
	return 0, fmt.Errorf("give out a port: all of %d to %d are taken", firstPort, firstPort+ports-1)
}

// note takes a port for given out.
func (a *allocator) note(port int64, uid types.UID) {
	if a.given == nil {
		a.given = map[int64]types.UID{}
	}
	a.given[port] = uid
}

// seen is note, for a port that a resource has already.
func (a *allocator) seen(port int64, uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(port, uid)
}

package scenarios

import (
	"context"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/kube"
)

// What a kubelet's two health endpoints say; Detail is "ok" or why it is not.
const (
	eventHealthz  = "healthz"          // its flips, on the node's loopback: it answers as long as the process does
	eventSyncLoop = "kubelet-syncloop" // by way of the API server, of each kubelet process until it first says ok: its loop goes round
)

const (
	// lookEvery is the pause between two looks at a kubelet's health: about the
	// resolution of its flips.
	lookEvery = 2 * time.Second
	// lookTimeout is how long one look may take; a kubelet that is frozen does not
	// answer at all.
	lookTimeout = 5 * time.Second
)

// followKubelet notes the flips of the kubelet on Target until stop is called.
func (b *Batch) followKubelet(ctx context.Context, k *kube.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	note := func(source, event string) flips {
		return flips{note: func(detail string) { b.nowAllDetail(source, event, b.Target.Name, detail) }}
	}
	w := kubeletWatch{
		alive: note("node", eventHealthz), loop: note("api", eventSyncLoop),
		askAlive: func(ctx context.Context) error {
			node, err := b.node(ctx, b.Target)
			if err != nil {
				return err
			}
			return healthz(ctx, kubeletClient(node))
		},
		askLoop: func(ctx context.Context) error { return k.KubeletCheck(ctx, b.Target.Name, "syncloop") },
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			w.look(ctx)
			if mono.Sleep(ctx, lookEvery) != nil {
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// kubeletWatch is what was seen of a kubelet's health so far.
type kubeletWatch struct {
	alive, loop       flips
	askAlive, askLoop func(ctx context.Context) error
}

// look asks whether the kubelet's process answers, and, until it has said so
// once, whether its loop goes round: that is a handshake of the API server's
// with the kubelet, which is dear on an emulated machine.
func (w *kubeletWatch) look(ctx context.Context) {
	bounded := func(ask func(context.Context) error) error {
		one, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		return ask(one)
	}
	err := bounded(w.askAlive)
	if ctx.Err() != nil {
		return
	}
	w.alive.see(err)
	if err != nil {
		w.loop.seen = false // the next process has a loop of its own
		return
	}
	if w.loop.seen && w.loop.ok {
		return
	}
	if err := bounded(w.askLoop); ctx.Err() == nil {
		w.loop.see(err)
	}
}

// flips notes when an answer turns from ok to anything else and back.
type flips struct {
	note func(detail string)
	seen bool
	ok   bool
}

func (f *flips) see(err error) {
	if f.seen && f.ok == (err == nil) {
		return
	}
	f.seen, f.ok = true, err == nil
	if err == nil {
		f.note("ok")
		return
	}
	f.note(err.Error())
}

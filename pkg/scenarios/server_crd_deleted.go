package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/shareserver"
)

// The modes of server-crd-deleted.
const (
	modePlain     = "plain"     // its resources go with it, and their servers
	modeFinalizer = "finalizer" // its resources have a finalizer, and nobody is there to take it off
)

const (
	// eventDefinition is how the definition stands; the subject is the mode.
	eventDefinition = "definition"
	// eventRebuilt is that a server was there again before nfsim made one.
	eventRebuilt = "rebuilt"
	// stuckFor is for how long a deletion without a reconciler is watched: several
	// times what it takes with one.
	stuckFor = 45 * time.Second
)

func serverCRDDeleted() Scenario {
	return Scenario{
		Name: "server-crd-deleted", Family: FamilyShare, Profiles: shareProfiles(), Target: true, Quiet: true, Estimate: 270 * time.Second,
		Doc:     "the definition of the resource is deleted: with a reconciler that runs on; and, with a finalizer on the resources, without one",
		Decides: "is the server rebuilt, does the deletion ever end, and what clients are told meanwhile",
		Modes:   []string{modePlain, modeFinalizer},
		Drive:   driveServerCRDDeleted,
		Judge:   judgeServerCRDDeleted,
	}
}

func driveServerCRDDeleted(ctx context.Context, b *Batch) error {
	return b.withShares(ctx, func(ctx context.Context, s *shares) error {
		err := s.lose(ctx, loss{
			mode: modePlain,
			do:   func(ctx context.Context, _ map[*Cell]serverProcess) error { return s.api.Undefine(ctx) },
			then: func(ctx context.Context, loads map[*Cell]*load) error { return s.undefined(ctx, loads) },
		})
		if err != nil {
			return err
		}
		return s.stick(ctx)
	})
}

// undefined waits for the end of the definition, watches the clients and for a
// server that comes back by itself, and then brings all back.
func (s *shares) undefined(ctx context.Context, loads map[*Cell]*load) error {
	b := s.b
	gone, cancel := context.WithTimeout(ctx, shareTimeout)
	err := s.api.AwaitDefinition(gone, shareserver.DefinitionGone)
	cancel()
	if err != nil {
		return err
	}
	b.nowAllDetail("api", eventDefinition, modePlain, shareserver.DefinitionGone)
	if err := s.watchDead(ctx, modePlain, loads, b.Lease+b.Grace+patience); err != nil {
		return err
	}
	for _, c := range b.live() {
		pod, err := s.podOf(ctx, c)
		if err != nil {
			return err
		}
		if pod != "" {
			c.now("api", eventRebuilt, modePlain, "pod "+pod)
		}
	}
	b.nowAll(healBegins, modePlain)
	// A reconciler that lost its definition looks for it again within half a minute;
	// an operator would start it anew.
	s.stopReconciler()
	return b.each(ctx, "bring definition and servers back", s.mend)
}

// podOf is the UID of the pod that is there of a cell's share, "" for none.
func (s *shares) podOf(ctx context.Context, c *Cell) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	pod, err := s.k.API().CoreV1().Pods(s.b.namespace()).Get(ctx, c.shareName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the pod of %s: %w", c.shareName(), err)
	}
	return string(pod.UID), nil
}

// stick deletes the definition while its resources have a finalizer and no
// reconciler runs. It is undone when the clients are gone.
func (s *shares) stick(ctx context.Context) error {
	b := s.b
	loads, err := s.startShareLoads(ctx, modeFinalizer)
	if err != nil {
		return err
	}
	err = b.each(ctx, "put finalizers on the resources", func(ctx context.Context, c *Cell) error {
		ctx, cancel := context.WithTimeout(ctx, shareTimeout)
		defer cancel()
		if err := s.api.Keep(ctx, c.shareName()); err != nil {
			return err
		}
		_, err := s.api.Await(ctx, c.shareName(), func(now *shareserver.ShareServer) bool { return now != nil && now.Kept() })
		return err
	})
	if err != nil {
		return err
	}
	if _, err := s.servers(ctx, eventServerBefore, modeFinalizer); err != nil {
		return err
	}
	s.stopReconciler()
	b.nowAll(injectBegins, modeFinalizer)
	heal, err := b.inject(ctx, fault.Spec{
		Name: modeFinalizer, Machine: b.server().Name, ProveWithin: shareTimeout, HealWithin: shareTimeout,
		Do: s.api.Undefine, Seen: s.beingDeleted,
		SeenUndone: func(ctx context.Context) (string, error) {
			state, err := s.api.DefinitionState(ctx)
			if err == nil && state != shareserver.DefinitionGone {
				err = errors.New("the definition is still there")
			}
			return "the definition is " + state, err
		},
	})
	if err != nil {
		return err
	}
	s.last = append(s.last, func(ctx context.Context) error {
		b.nowAll(healBegins, modeFinalizer)
		s.reconcile(ctx)
		return heal(ctx)
	})
	if err := s.watchStuck(ctx); err != nil {
		return err
	}
	if _, err := s.servers(ctx, eventServerAfter, modeFinalizer); err != nil {
		return err
	}
	closed := make(chan struct{})
	close(closed)
	err = b.eachLoad(ctx, "contest the lock", loads, func(ctx context.Context, l *load) error { return l.lock.wrest(ctx, closed) })
	if err != nil {
		return err
	}
	return s.endShareLoads(ctx, modeFinalizer, loads)
}

// watchStuck waits for the end of the definition, for as long as stuckFor.
func (s *shares) watchStuck(ctx context.Context) error {
	s.b.Phase(fmt.Sprintf("watch the deletion for up to %s", stuckFor))
	defer waiting(ctx)()
	wait, cancel := context.WithTimeout(ctx, stuckFor)
	defer cancel()
	err := s.api.AwaitDefinition(wait, shareserver.DefinitionGone)
	var late *kube.AwaitError
	if err != nil && (ctx.Err() != nil || !errors.As(err, &late)) {
		return err
	}
	state, err := s.api.DefinitionState(ctx)
	if err != nil {
		return err
	}
	s.b.nowAllDetail("api", eventDefinition, modeFinalizer, state)
	s.b.nowAll(eventWatched, modeFinalizer)
	return nil
}

// beingDeleted proves that the definition and every cell's resource are being
// deleted.
func (s *shares) beingDeleted(ctx context.Context) (string, error) {
	state, err := s.api.DefinitionState(ctx)
	if err != nil {
		return "", err
	}
	if state != shareserver.DefinitionTerminating {
		return "", fmt.Errorf("the definition is %s", state)
	}
	for _, c := range s.b.live() {
		now, err := s.api.Get(ctx, c.shareName())
		if err != nil {
			return "", err
		}
		if now == nil || now.DeletionTimestamp == nil {
			return "", fmt.Errorf("resource %s is not being deleted", c.shareName())
		}
	}
	return "the definition and its resources are being deleted", nil
}

func judgeServerCRDDeleted(e *Evidence) Judgement {
	var j Judgement
	if _, tried := e.fault(modePlain); tried {
		m := judgeDead(e, modePlain)
		m.Outcomes = append(m.Outcomes, judgeRebuilt(e)...)
		j.Modes = append(j.Modes, m)
	}
	if _, tried := e.fault(modeFinalizer); tried {
		j.Modes = append(j.Modes, judgeStuck(e))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeRebuilt says whether a server came back when its definition was gone.
func judgeRebuilt(e *Evidence) []outcome.Outcome {
	gone, ok := e.First(eventDefinition, modePlain)
	end, watched := e.First(eventWatched, modePlain)
	if !ok || !watched || gone.Detail != shareserver.DefinitionGone {
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "the definition was not seen to go, or nobody watched for long enough").In("observations.jsonl")}
	}
	if again, ok := e.First(eventRebuilt, modePlain); ok {
		return []outcome.Outcome{outcome.New(outcome.Recovered, "%s came back %s after the definition was gone", again.Detail, seconds(again.T-gone.T)).
			WithFigure(outcome.Seconds(float64(again.T-gone.T)/1e9, 0)).From("api").In("observations.jsonl")}
	}
	return []outcome.Outcome{outcome.New(outcome.NotRebuilt, "no server %s after the definition was gone, and its resources with it", seconds(end.T-gone.T)).
		From("api").In("observations.jsonl")}
}

// judgeStuck says whether the deletion of a definition ended whose resources have
// a finalizer, and how the clients fared meanwhile.
func judgeStuck(e *Evidence) Mode {
	m := Mode{Name: modeFinalizer}
	f, _ := e.fault(modeFinalizer)
	if !f.Proven {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.NoFault, "the definition was not seen to be deleted: %s", f.Error).In("faults.jsonl")}
		return m
	}
	end, watched := e.First(eventWatched, modeFinalizer)
	state, known := e.First(eventDefinition, modeFinalizer)
	if !watched || !known {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "nobody watched whether the deletion ends").In("observations.jsonl")}
		return m
	}
	if state.Detail == shareserver.DefinitionTerminating {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.TerminatingStuck, "definition and resources were still being deleted after %s", seconds(end.T-f.InjectedAt)).
			From("api").In("observations.jsonl"))
	} else {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Clean, "the definition is %s", state.Detail).From("api").In("observations.jsonl"))
	}
	ops := opsOf(e.Ops, modeFinalizer)
	kept := judgeLog(ops, modeFinalizer+"/"+loadLog)
	m.Models, m.Outcomes = kept.Models, append(m.Outcomes, kept.Outcomes...)
	m.Outcomes = append(m.Outcomes, awayOutcomes(e, ops, f.ProvenAt, end.T)...)
	m.Outcomes = append(m.Outcomes, judgeContest(ops, outage{cut: f.InjectedAt, healed: f.ProvenAt}))
	if f.HealedAt > 0 {
		if begins, ok := e.First(healBegins, modeFinalizer); ok {
			m.Notes = append(m.Notes, "with a reconciler the deletion ended within "+seconds(f.HealedAt-begins.T))
		}
	}
	return withLarge(e, m)
}

package scenarios

import (
	"context"
	"errors"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// modeWrongTarget names the fault of server-pod-wrong-target and its load.
const modeWrongTarget = "wrong-target"

// ByServerProof is the detector of faults that left the server alone: the same
// process serves, and nobody had to connect anew.
func ByServerProof(e *Evidence) Judgement {
	if o, ok := judgeServerReplaced(e, modeWrongTarget, nil, outage{}); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	return Judgement{}
}

// ServerPodWrongTarget is the control of the proof that a share's server was
// taken away: a client's pod is, and the server's is not.
func ServerPodWrongTarget(detector Detector) Scenario {
	return Scenario{
		Name: "server-pod-wrong-target", Family: FamilyShare, Profiles: shareProfiles(), Control: true, OneProfile: true,
		Target: true, Quiet: true, Estimate: 70 * time.Second,
		Doc:     "planted: what is deleted as the server's pod is a client's",
		Decides: "whether the trial would be taken for one whose server was gone",
		Drive:   driveWrongTarget,
		Judge:   plant{proven: provenFault(modeWrongTarget), caught: sawNoFault}.judgeWith(detector),
	}
}

func driveWrongTarget(ctx context.Context, b *Batch) error {
	return b.withShares(ctx, func(ctx context.Context, s *shares) error {
		loads, err := s.startShareLoads(ctx, modeWrongTarget)
		if err != nil {
			return err
		}
		if _, err := s.servers(ctx, eventServerBefore, modeWrongTarget); err != nil {
			return err
		}
		connected, err := s.connections(ctx)
		if err != nil {
			return err
		}
		hit, err := s.clients(ctx)
		if err != nil {
			return err
		}
		heal, err := b.inject(ctx, fault.EndProcesses(modeWrongTarget, b.Other.Name, s.deleteClients, hit...))
		if err != nil {
			return err
		}
		if err := heal(ctx); err != nil {
			return err
		}
		err = b.eachLoad(ctx, "await that the second client goes on", loads, func(ctx context.Context, l *load) error { return goOn(ctx, l.reads) })
		if err != nil {
			return err
		}
		if err := s.noteConnections(ctx, modeWrongTarget, connected); err != nil {
			return err
		}
		if _, err := s.servers(ctx, eventServerAfter, modeWrongTarget); err != nil {
			return err
		}
		err = b.eachLoad(ctx, "end the load", loads, func(ctx context.Context, l *load) error {
			if err := errors.Join(l.cell.stopStream(ctx, l.reads), l.lock.end(ctx, l.lock.rival)); err != nil {
				return err
			}
			if err := s.logTruth(ctx, l); err != nil {
				return err
			}
			l.cell.noteUnanswered(b.Other.Name, l.file(loadLog))
			return nil
		})
		if err != nil {
			return err
		}
		return s.readLargeBack(ctx, modeWrongTarget, false)
	})
}

// clients are the processes in the clients' pods.
func (s *shares) clients(ctx context.Context) ([]fault.Process, error) {
	node, err := s.b.node(ctx, s.b.Other)
	if err != nil {
		return nil, err
	}
	var list []fault.Process
	for _, c := range s.b.live() {
		p, err := fault.ReadProcess(ctx, node, c.share.pod.pid)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// deleteClients deletes the clients' pods by force.
func (s *shares) deleteClients(ctx context.Context) error {
	for _, c := range s.b.live() {
		if _, err := s.k.DeletePod(withScribe(ctx, c), s.b.namespace(), c.share.pod.name(), new(int64)); err != nil {
			return err
		}
	}
	return nil
}

// judgeServerReplaced wants that another process serves the share than before, and
// that both clients had to connect anew.
func judgeServerReplaced(e *Evidence, mode string, _ []history.Op, _ outage) (outcome.Outcome, bool) {
	before, ok1 := e.First(eventServerBefore, mode)
	after, ok2 := e.First(eventServerAfter, mode)
	if !ok1 || !ok2 {
		return outcome.New(outcome.Inconclusive, "nobody looked which process served before and after the fault").In("observations.jsonl"), false
	}
	if before.Detail == after.Detail {
		return outcome.New(outcome.NoFault, "the server is the one that it was: %s", after.Detail).In("observations.jsonl"), false
	}
	for _, client := range []struct{ name, fact string }{{"first", mode}, {"second", mode + secondClient}} {
		if n, ok := e.reconnects(client.fact); !ok || n < 1 {
			return outcome.New(outcome.NoFault, "the %s client made %d new connections: its server was not gone", client.name, n).In("trial.json"), false
		}
	}
	return outcome.Outcome{}, true
}

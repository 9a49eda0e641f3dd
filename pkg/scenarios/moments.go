package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// eventMoment says when the machines' tables were read that the logs of a name
// hold: Detail is the beginning of that name, Subject the machine.
const eventMoment = "tables"

// The moments at which what is dear to read is read too: the kubelet's metrics
// and the runtime's own list, which cost an emulated machine some seconds.
const (
	momentBefore = "before"
	momentEnd    = "end"
)

// moments keeps, for a person, what the machines of a batch with pods think of
// mounts, pods and containers: before anything is broken, when each fault is in
// effect, when it is healed, and before the pods are stopped. Reading takes
// place beside the trial, which does not wait for it.
type moments struct {
	mu      sync.Mutex
	taken   int
	reading sync.WaitGroup
	keep    func(name string, all bool)
}

// take has the tables read now, under a name that sorts by time. It is nothing
// on a nil receiver: the batch has no pods.
func (m *moments) take(what string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	name := fmt.Sprintf("%02d-%s", m.taken, what)
	m.reading.Go(func() { m.keep(name, what == momentBefore || what == momentEnd) })
}

// wait waits until everything that was begun has been read.
func (m *moments) wait() {
	if m != nil {
		m.reading.Wait()
	}
}

// watchMoments makes the moments of a batch with pods.
func (b *Batch) watchMoments(ctx context.Context, k *kube.Client) *moments {
	return &moments{keep: func(name string, all bool) {
		machines := b.machines()
		// What a machine that is out of order does not tell is left out: the
		// observation is missing, too.
		_ = atOnce(len(machines)+1, func(i int) error {
			if i == len(machines) {
				if !all {
					return nil
				}
				return b.keepVolumeMetrics(ctx, k, name)
			}
			log := workerTables(machines[i], all)
			if machines[i].Role == lab.Server {
				log = nfsdStates()
			}
			return b.keepBeside(ctx, machines[i], log, name)
		})
	}}
}

// keepBeside is keep for what is read beside the trial: the time that it takes
// is not the trial's.
func (b *Batch) keepBeside(ctx context.Context, m lab.Machine, log machineLog, name string) error {
	err := b.keep(withStopwatch(ctx, &stopwatch{}), m, log, name)
	if err == nil {
		b.nowAllDetail("node", eventMoment, m.Name, name)
	}
	return err
}

// keepVolumeMetrics keeps what the kubelet on Target counts of volumes; one that
// does not answer is a result too.
func (b *Batch) keepVolumeMetrics(ctx context.Context, k *kube.Client, name string) error {
	text, err := k.VolumeMetrics(ctx, b.Target.Name)
	if err != nil {
		text = err.Error()
	}
	return b.keepText(b.Target, "kubelet-volumes", name, text)
}

// workerTables are what a worker has of pods: its kubelet's process, the NFS
// mounts of the host and of every container's process, the directories of the
// pods (of volume-subpaths never what is bound there: it may be on a dead
// server), and the tasks in uninterruptible sleep with where in the kernel they
// wait; with all also what the runtime itself lists.
func workerTables(m lab.Machine, all bool) machineLog {
	var script strings.Builder
	unit, state := sshnode.Quote(m.Kubelet()), sshnode.Quote(m.Runtime().State)
	fmt.Fprintf(&script, `echo '# kubelet'
systemctl show -p ActiveState -p MainPID -p NRestarts %s
echo '# mounts of the host'
grep -E ' - nfs4? ' /proc/1/mountinfo
echo '# containers: task, its process, state'
set --
for d in %s/*/; do
  pid= line=
  { read -r pid < "$d/init.pid"; [ -n "$pid" ] && read -r line < "/proc/$pid/stat"; } 2>/dev/null
  [ -n "$line" ] || continue
  rest=${line##*) } id=${d%%/}
  echo "${id##*/} pid $pid ${rest%%%% *}"
  set -- "$@" "/proc/$pid/mountinfo"
done
echo '# mounts of the containers'
[ $# = 0 ] || grep -H -E ' - nfs4? ' "$@" 2>/dev/null
echo '# pod directories'
ls -d /var/lib/kubelet/pods/* /var/lib/kubelet/pods/*/volumes/*/ /var/lib/kubelet/pods/*/volume-subpaths/*/ 2>/dev/null
`, unit, state)
	if all {
		fmt.Fprintf(&script, "echo '# tasks of the runtime'\ntimeout 10 %s tasks ls\n", strings.Join(m.Runtime().Ctr, " "))
	}
	script.WriteString("echo '# tasks in uninterruptible sleep'\n" + blockedScript)
	return machineLog{"tables", script.String()}
}

package keeper

import (
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// update changes the status and writes it down.
func (k *keeper) update(change func(*qemu.Status)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.status)
	if err := k.dir.WriteStatus(k.status); err != nil {
		k.steps.write(err.Error())
	}
}

func (k *keeper) setPhase(p qemu.Phase) {
	k.update(func(s *qemu.Status) { s.Phase = p })
}

func (k *keeper) setStep(line string) {
	k.update(func(s *qemu.Status) { s.Step = line })
}

func (k *keeper) updateMachine(name string, change func(*qemu.MachineStatus)) {
	k.update(func(s *qemu.Status) {
		for i := range s.Machines {
			if s.Machines[i].Name == name {
				change(&s.Machines[i])
			}
		}
	})
}

// snapshotStatus is the status as it is now, links included.
func (k *keeper) snapshotStatus() qemu.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Schema = qemu.StatusSchema
	s.Machines = append([]qemu.MachineStatus(nil), k.status.Machines...)
	if k.net == nil {
		return s
	}
	for i := range s.Machines {
		if st, err := k.net.LinkStats(s.Machines[i].Name); err == nil {
			s.Machines[i].Link = &st
		}
	}
	return s
}

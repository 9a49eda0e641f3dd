package host

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nfsim/nfsim/pkg/lab"
)

// CheckDisk fails when the file system of dir has less than needMiB free.
func CheckDisk(dir string, needMiB int) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("read free space of %s: %w", dir, err)
	}
	haveMiB := int(st.Bavail * uint64(st.Bsize) >> 20)
	if haveMiB >= needMiB {
		return nil
	}
	return &lab.InfraError{
		What:   fmt.Sprintf("not enough disk: the lab needs %d MiB in %s, %d MiB are free", needMiB, dir, haveMiB),
		Advice: "make room, `nfsim lab gc` removes what no lab uses, or set XDG_CACHE_HOME and XDG_STATE_HOME",
	}
}

package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
)

// MemAvailableMiB reads how much memory could be had without swapping
// (MemAvailable of /proc/meminfo), in MiB.
func MemAvailableMiB() (int, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read free memory: %w", err)
	}
	defer f.Close()
	return parseMemAvailable(f)
}

func parseMemAvailable(r io.Reader) (int, error) {
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok || key != "MemAvailable" {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 48)
		if err != nil {
			return 0, fmt.Errorf("read MemAvailable: %w", err)
		}
		return int(kib / 1024), nil
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read MemAvailable: %w", err)
	}
	return 0, errors.New("no MemAvailable in /proc/meminfo")
}

// CheckMemory fails when less than needMiB are available.
func CheckMemory(needMiB int) error {
	have, err := MemAvailableMiB()
	if err != nil {
		return err
	}
	return checkMemory(needMiB, have)
}

func checkMemory(needMiB, haveMiB int) error {
	if haveMiB >= needMiB {
		return nil
	}
	return &lab.InfraError{
		What:   fmt.Sprintf("not enough memory: the lab needs %d MiB, %d MiB are available", needMiB, haveMiB),
		Advice: "end what uses it, or ask for less with --memory, --server-memory or --workers",
	}
}

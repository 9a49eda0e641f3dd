package mono

import (
	"testing"
	"time"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	first := Now()
	if second := Now(); first <= 0 || second < first {
		t.Errorf("monotonic: %d, then %d", first, second)
	}
	before := time.Now().Add(-time.Minute).UnixNano()
	if real := Real(); real < before || real > before+int64(time.Hour) {
		t.Errorf("real: %d", real)
	}
}

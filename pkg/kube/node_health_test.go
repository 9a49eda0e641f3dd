package kube

import "testing"

func TestSamplesOf(t *testing.T) {
	t.Parallel()
	exposition := `# TYPE volume_manager_total_volumes gauge
volume_manager_total_volumes{plugin_name="kubernetes.io/nfs",state="actual_state_of_world"} 1
process_cpu_seconds_total 3
reconstruct_volume_operations_total 2
`
	want := `volume_manager_total_volumes{plugin_name="kubernetes.io/nfs",state="actual_state_of_world"} 1
reconstruct_volume_operations_total 2
`
	if got := samplesOf([]byte(exposition), volumeMetrics()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

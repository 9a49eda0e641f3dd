package scenarios

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/repro"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// TestScriptOfRealRequests has real clients send what a trial asks of the API,
// and the script of it ask for the same: objects that the API knows, with a
// writer that needs nothing of nfsim.
func TestScriptOfRealRequests(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		kind := `"kind":"Pod","apiVersion":"v1"`
		if strings.Contains(r.URL.Path, "/nodes/") {
			kind = `"kind":"Node","apiVersion":"v1"`
		}
		if strings.Contains(r.URL.Path, "/deployments") {
			kind = `"kind":"Deployment","apiVersion":"apps/v1"`
		}
		_, _ = io.WriteString(w, `{`+kind+`,"metadata":{"name":"x"}}`)
	}))
	t.Cleanup(server.Close)
	client, err := kube.New(fmt.Appendf(nil, "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\nclusters: [{name: a, cluster: {server: '%s'}}]\n", server.URL))
	if err != nil {
		t.Fatal(err)
	}
	client = client.WithRun("r")

	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	if err != nil {
		t.Fatal(err)
	}
	trial, err := run.NewTrial(rundir.TrialMeta{Scenario: "kubelet.x", Profile: "default", Repeat: 1, Resources: []string{"worker1", "worker2", "export /srv/e"}})
	if err != nil {
		t.Fatal(err)
	}
	b := &Batch{RunID: "r", Lab: pausedLab{}, Target: lab.Machine{Name: "worker1"}, Other: lab.Machine{Name: "worker2"}}
	c := &Cell{Key: "x-1", Trial: trial}
	ctx := withScribe(t.Context(), c)
	first := &workload{cell: c, at: b.Target, plan: podPlan{ignoreTerm: true, grace: longGrace}}
	spec := b.podSpec(first)
	spec.Node = b.Target.Name
	if _, err := client.CreateWorkloadPod(ctx, spec); err != nil {
		t.Fatal(err)
	}
	controlled := &workload{cell: c, plan: podPlan{label: "d", controller: kube.Deployment, tolerates: shortToleration}}
	if err := client.CreateController(ctx, kube.Deployment, b.podSpec(controlled)); err != nil {
		t.Fatal(err)
	}
	for _, pod := range []string{"x-1", "x-1-d-abc-xyz"} {
		note(ctx, rundir.Step{Do: rundir.DoAppend, Stream: pod, Name: "pod", Machine: "worker1", In: pod, Path: "/data/log", Source: "log", Options: "fsync", EveryNS: 1e8})
	}
	if err := client.Taint(ctx, "worker1", outOfService("nodeshutdown")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeletePod(ctx, b.namespace(), "x-1", new(int64)); err != nil {
		t.Fatal(err)
	}
	if err := trial.Steps(c.steps.inOrder()); err != nil {
		t.Fatal(err)
	}
	if err := trial.Finish(nil); err != nil {
		t.Fatal(err)
	}
	trials, err := run.Trials()
	if err != nil {
		t.Fatal(err)
	}
	script, err := repro.Script(run, trials[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`kc -n "${NS}" delete pods x-1 --wait=false --grace-period=0 --force`,
		`kc taint node "$NODE_A" node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`,
	} {
		if !strings.Contains(script, want) {
			t.Errorf("%q is not in the script:\n%s", want, script)
		}
	}

	manifests := regexp.MustCompile(`(?s)kc create -f - <<EOF[^\n]*\n(.*?)\nEOF\n`).FindAllStringSubmatch(script, -1)
	if len(manifests) != 2 {
		t.Fatalf("%d manifests:\n%s", len(manifests), script)
	}
	expanded := func(text string) []byte {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "cat <<EOF\n"+text+"\nEOF\n")
		cmd.Env = []string{"NS=space", "NODE_A=nodeA", "NODE_B=nodeB", "IMAGE=image", "PATH=/bin:/usr/bin"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(expanded(manifests[0][1]), &pod); err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict(expanded(manifests[1][1]), &deployment); err != nil {
		t.Fatal(err)
	}
	if pod.Namespace != "space" || pod.Spec.NodeName != "nodeA" || *pod.Spec.TerminationGracePeriodSeconds != 60 || pod.Labels[kube.RunLabel] != "" {
		t.Errorf("pod %+v", pod)
	}
	template := deployment.Spec.Template
	if template.Labels[kube.ControllerLabel] != "x-1-d" || deployment.Spec.Selector.MatchLabels[kube.ControllerLabel] != "x-1-d" || *template.Spec.Tolerations[0].TolerationSeconds != 10 {
		t.Errorf("deployment %+v", deployment)
	}
	if got := template.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].Preference.MatchExpressions[0].Values; len(got) != 1 || got[0] != "nodeA" {
		t.Errorf("preferred on %v", got)
	}
	for name, tt := range map[string]struct {
		spec corev1.PodSpec
		trap string
	}{"pod": {pod.Spec, "trap 'echo SIGTERM ignored' TERM"}, "deployment": {template.Spec, "trap 'exit 0' TERM"}} {
		container := tt.spec.Containers[0]
		if container.Image != "image" || len(container.Args) > 0 || len(tt.spec.Volumes) != 1 || len(container.VolumeMounts) != 1 || container.VolumeMounts[0].MountPath != "/data" {
			t.Errorf("%s: container %+v, volumes %+v", name, container, tt.spec.Volumes)
		}
		command := container.Command[2]
		if !strings.Contains(command, tt.trap) || !strings.Contains(command, `echo "pod.$id $n $(date +%s)" | dd of=/data/log oflag=append conv=notrunc,fsync`) {
			t.Errorf("%s runs\n%s", name, command)
		}
	}
}

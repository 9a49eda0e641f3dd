package shareserver

import (
	"context"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/nfsim/nfsim/pkg/kube"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestConfigGolden(t *testing.T) {
	t.Parallel()
	s := &ShareServer{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: testNamespace}, Spec: testSpec(), Status: Status{Port: 20501}}
	got, err := config(s)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/ganesha.conf"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestDefinition checks that the schema has every field that we write, and no
// others: an API server drops what its schema does not know.
func TestDefinition(t *testing.T) {
	t.Parallel()
	d, err := newCluster(t).client.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if d.GetName() != DefinitionName || d.GetLabels()[kube.RunLabel] != testRun {
		t.Errorf("name %q, labels %v", d.GetName(), d.GetLabels())
	}
	versions, _, err := unstructured.NestedSlice(d.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatalf("versions %v, %v", versions, err)
	}
	for part, of := range map[string]reflect.Type{"spec": reflect.TypeFor[Spec](), "status": reflect.TypeFor[Status]()} {
		properties, _, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", part, "properties")
		if err != nil {
			t.Fatal(err)
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			property, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", part, name)
			}
			for key := range property {
				if !slices.Contains([]string{"type", "format", "description", "enum", "pattern", "minLength", "minimum", "maximum"}, key) {
					t.Errorf("%s.%s: %q is not a word of a schema", part, name, key)
				}
			}
			delete(properties, name)
		}
		for name := range properties {
			t.Errorf("the schema has %s.%s, which we do not", part, name)
		}
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.add("a", "u1", testSpec())
	c.settle("a")
	ctx, cancel := context.WithTimeout(t.Context(), 3*lookEvery)
	defer cancel()
	_, err := c.client.Await(ctx, "a", Serves)
	var await *kube.AwaitError
	if !errors.As(err, &await) || !strings.Contains(await.Last, "Pending at 10.0.0.1:") {
		t.Errorf("%v", err)
	}
	if err := c.client.AwaitGone(t.Context(), "a", "an earlier one"); err != nil {
		t.Error(err)
	}
}

func TestLedgerAndCleanup(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d, err := c.client.Definition()
	if err == nil {
		_, err = c.client.definitions().Create(ctx, d, metav1.CreateOptions{})
	}
	if err == nil {
		_, err = c.client.Create(ctx, "a", testSpec())
	}
	if err == nil {
		err = c.client.Keep(ctx, "a")
	}
	if err != nil {
		t.Fatal(err)
	}
	c.add("of-others", "u9", testSpec())
	c.settle("a")
	c.settle("of-others")
	got, err := c.client.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"definitions": {DefinitionName + " uid="}, "shareservers": {"a uid="}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := c.client.Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	if c.share("a") != nil || c.share("of-others") == nil {
		t.Error("Cleanup left what is the run's, or removed what is not")
	}
	if state, err := c.client.DefinitionState(ctx); err != nil || state != DefinitionGone {
		t.Errorf("definition is %s, %v", state, err)
	}
}

package outcome

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Figure is a measured duration, with its spread when it stands for several
// measurements. All durations of one figure are in its unit.
type Figure struct {
	Value  float64 `json:"value"`            // what is shown: the worst of them
	Unit   string  `json:"unit"`             // "s" or "ms"
	More   bool    `json:"more,omitempty"`   // it had not ended when the watch did: "more than Value"
	Min    float64 `json:"min,omitempty"`    // smallest of Count
	Median float64 `json:"median,omitempty"` // median of Count
	P95    float64 `json:"p95,omitempty"`    // 95th percentile of Count (nearest rank)
	Max    float64 `json:"max,omitempty"`    // largest of Count
	Count  int     `json:"count,omitempty"`  // measurements that the figure stands for
	Err    float64 `json:"err,omitempty"`    // bound of the error of each, plus or minus
}

// Seconds returns a figure of one measurement, value and error bound in s.
func Seconds(value, err float64) *Figure { return &Figure{Value: value, Unit: "s", Err: err, Count: 1} }

// Millis returns a figure of one measurement, value and error bound in ms.
func Millis(value, err float64) *Figure { return &Figure{Value: value, Unit: "ms", Err: err, Count: 1} }

// Summarize returns the figure that stands for all values, which are in unit
// ("s" or "ms"), each within plus or minus err. It returns nil for no values.
func Summarize(unit string, values []float64, err float64) *Figure {
	if len(values) == 0 {
		return nil
	}
	v := slices.Clone(values)
	slices.Sort(v)
	n := len(v)
	median := v[n/2]
	if n%2 == 0 {
		median = v[n/2-1]/2 + v[n/2]/2
	}
	return &Figure{
		Value: v[n-1], Unit: unit, Count: n, Err: err,
		Min: v[0], Median: median, P95: v[int(math.Ceil(0.95*float64(n)))-1], Max: v[n-1],
	}
}

// String returns the figure as it stands in a matrix: "2900 ms", "12.3 s",
// and "> 20 s" for one that had not ended.
func (f *Figure) String() string {
	if f == nil {
		return ""
	}
	s := number(f.Value) + " " + f.Unit
	if f.More {
		return "> " + s
	}
	return s
}

// Detail returns the figure with its spread, count and error bound, as in
// "2900 ms (min 12, median 1450, p95 2880, n=40, ±0.3 ms)".
func (f *Figure) Detail() string {
	if f == nil {
		return ""
	}
	var parts []string
	if f.Count > 1 {
		parts = append(parts, "min "+number(f.Min), "median "+number(f.Median), "p95 "+number(f.P95), fmt.Sprintf("n=%d", f.Count))
	}
	if f.Err > 0 {
		parts = append(parts, "±"+precise(f.Err)+" "+f.Unit)
	}
	if len(parts) == 0 {
		return f.String()
	}
	return f.String() + " (" + strings.Join(parts, ", ") + ")"
}

// ParseFigure reads what String wrote.
func ParseFigure(s string) (*Figure, error) {
	rest, more := strings.CutPrefix(strings.TrimSpace(s), ">")
	fields := strings.Fields(rest)
	if len(fields) != 2 {
		return nil, fmt.Errorf("parse figure %q: want a number and a unit", s)
	}
	v, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return nil, fmt.Errorf("parse figure %q: %w", s, err)
	}
	f := &Figure{Value: v, Unit: fields[1], More: more}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("parse figure %q: %w", s, err)
	}
	return f, nil
}

// Validate reports what is wrong with the figure: another unit than s or ms,
// or a number that is not finite (which JSON could not hold).
func (f *Figure) Validate() error {
	if f.Unit != "s" && f.Unit != "ms" {
		return fmt.Errorf("unit %q is neither s nor ms", f.Unit)
	}
	for _, v := range []float64{f.Value, f.Min, f.Median, f.P95, f.Max, f.Err} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("number is not finite")
		}
	}
	return nil
}

// MarshalJSON refuses a figure that Validate refuses.
func (f Figure) MarshalJSON() ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	type plain Figure
	return json.Marshal(plain(f))
}

// exceeds reports whether f is the larger duration; any figure exceeds none.
func (f *Figure) exceeds(g *Figure) bool {
	if f == nil || g == nil {
		return f != nil
	}
	if f.millis() != g.millis() {
		return f.millis() > g.millis()
	}
	return f.More && !g.More
}

func (f *Figure) millis() float64 {
	if f.Unit == "s" {
		return f.Value * 1000
	}
	return f.Value
}

// number prints three significant digits or all before the point.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return precise(v)
	}
}

func precise(v float64) string { return strconv.FormatFloat(v, 'g', 2, 64) }

package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// TextOptions are how Text writes.
type TextOptions struct {
	Width int  // columns of the terminal; 0 is 120
	Color bool // only for a terminal
}

const (
	defaultWidth = 120
	minColumn    = 14 // narrowest column of a matrix, without its frame: room for most words
	maxFirst     = 26 // widest first column, without its frame
)

// Text writes the report for a person: header, matrix, and what has to be
// said about single cells.
func Text(w io.Writer, r *Report, opts TextOptions) error {
	width := opts.Width
	if width <= 0 {
		width = defaultWidth
	}
	var b bytes.Buffer
	for _, l := range r.header() {
		writeFolded(&b, "", clean(l), width)
	}
	for i := range r.Tables {
		for _, part := range split(&r.Tables[i], width) {
			b.WriteByte('\n')
			b.WriteString(matrix(&part, width, opts.Color))
			b.WriteByte('\n')
		}
	}
	b.WriteByte('\n')
	writeFolded(&b, "", "legend: "+legend, width)
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		for _, it := range s.items {
			writeFolded(&b, "  ", clean(it.title), width)
			for _, l := range it.lines {
				writeFolded(&b, "    ", l[0]+": "+clean(l[1]), width)
			}
		}
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// matrix draws one table no wider than width, if that can be.
func matrix(t *Table, width int, color bool) string {
	tw := table.NewWriter()
	tw.SetStyle(table.StyleLight)
	tw.Style().Format.Header = text.FormatDefault
	header := table.Row{"scenario"}
	for _, p := range t.Profiles {
		header = append(header, clean(p))
	}
	tw.AppendHeader(header)
	first := firstColumn(t)
	column := (width - 1 - (first + 3)) / max(len(t.Profiles), 1)
	column = max(column-3, minColumn)
	for i := range t.Rows {
		tw.AppendSeparator()
		for _, row := range t.Rows[i].lines() {
			cells := table.Row{fold(clean(row.label()), first, "/-_")}
			for _, c := range row.Cells {
				cells = append(cells, drawn(c, column, color))
			}
			tw.AppendRow(cells)
		}
	}
	return tw.Render()
}

// firstColumn returns the width of the column of scenarios.
func firstColumn(t *Table) int {
	first := 0
	for i := range t.Rows {
		for _, row := range t.Rows[i].lines() {
			first = max(first, utf8.RuneCountInString(clean(row.label())))
		}
	}
	return min(first, maxFirst)
}

// split cuts a table that has too many columns for width into several of
// about the same number of columns.
func split(t *Table, width int) []Table {
	fit := max((width-1-(firstColumn(t)+3))/(minColumn+3), 1)
	n := len(t.Profiles)
	parts := max((n+fit-1)/fit, 1)
	each := max((n+parts-1)/parts, 1)
	var tables []Table
	for from := 0; from < n; from += each {
		to := min(from+each, n)
		part := Table{Profiles: t.Profiles[from:to]}
		for i := range t.Rows {
			part.Rows = append(part.Rows, t.Rows[i].part(from, to))
		}
		tables = append(tables, part)
	}
	return tables
}

// part returns some columns of a row and of its modes.
func (r *Row) part(from, to int) Row {
	p := Row{Scenario: r.Scenario, Mode: r.Mode, Cells: r.Cells[from:to]}
	for i := range r.Modes {
		p.Modes = append(p.Modes, r.Modes[i].part(from, to))
	}
	return p
}

// drawn returns what stands in a cell, folded to width and coloured.
func drawn(c *Cell, width int, color bool) string {
	if c == nil {
		return ""
	}
	var lines []string
	for _, l := range c.lines() {
		lines = append(lines, fold(clean(l), width, " _"))
	}
	s := strings.Join(lines, "\n")
	paint, ok := map[rundir.Status]text.Colors{
		rundir.StatusNew:           {text.FgRed, text.Bold},
		rundir.StatusMissed:        {text.FgRed, text.Bold},
		rundir.StatusInconclusive:  {text.FgYellow},
		rundir.StatusInfra:         {text.FgYellow},
		rundir.StatusCaught:        {text.FgGreen},
		rundir.StatusExpected:      {text.FgGreen},
		rundir.StatusNotApplicable: {text.Faint},
	}[c.Status]
	if !color || !ok {
		return s
	}
	painted := strings.Split(s, "\n")
	for i, l := range painted {
		painted[i] = paint.EscapeSeq() + l + text.Reset.EscapeSeq()
	}
	return strings.Join(painted, "\n")
}

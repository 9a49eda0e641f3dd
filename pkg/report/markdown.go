package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as GitHub-flavoured Markdown.
func Markdown(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# nfsim run %s\n\n", escape(r.ID))
	for _, l := range r.header() {
		fmt.Fprintf(&b, "- %s\n", escape(l))
	}
	for _, t := range r.Tables {
		b.WriteString("\n| scenario |")
		for _, p := range t.Profiles {
			fmt.Fprintf(&b, " %s |", escape(p))
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(t.Profiles)) + "\n")
		for i := range t.Rows {
			for _, row := range t.Rows[i].lines() {
				markdownRow(&b, &row)
			}
		}
	}
	fmt.Fprintf(&b, "\nLegend: %s.\n", escape(legend))
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "\n## %s\n", s.title)
		for _, it := range s.items {
			fmt.Fprintf(&b, "\n### %s\n\n", escape(it.title))
			for _, l := range it.lines {
				text := escape(l[1])
				if l[0] == "again" {
					text = code(l[1])
				}
				fmt.Fprintf(&b, "- %s: %s\n", escape(l[0]), text)
			}
		}
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func markdownRow(b *bytes.Buffer, row *Row) {
	label, indented := strings.CutPrefix(row.label(), "  ")
	if indented {
		b.WriteString("| &nbsp;&nbsp;")
	} else {
		b.WriteString("| ")
	}
	b.WriteString(escape(label) + " |")
	for _, c := range row.Cells {
		fmt.Fprintf(b, " %s |", markdownCell(c))
	}
	b.WriteByte('\n')
}

func markdownCell(c *Cell) string {
	if c == nil {
		return ""
	}
	var lines []string
	for _, l := range c.lines() {
		l = escape(l)
		if strings.HasPrefix(l, "!") || strings.HasPrefix(l, "MISSED") {
			l = "**" + l + "**"
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "<br>")
}

// escape makes text harmless in Markdown and in a table's cell. Words of the
// vocabulary stay as they are: an underscore within a word marks nothing up.
func escape(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "#", `\#`,
	).Replace(clean(s))
}

// code returns s as inline code.
func code(s string) string {
	s = clean(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandLines returns the command line of every command that help shows.
func commandLines(c *cobra.Command) [][]string {
	lines := [][]string{strings.Fields(c.CommandPath())[1:]}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			lines = append(lines, commandLines(sub)...)
		}
	}
	return lines
}

func TestHelp(t *testing.T) {
	t.Parallel()
	lines := commandLines(newRootCommand(streams{}))
	if len(lines) < 20 {
		t.Errorf("only %d commands: %q", len(lines), lines)
	}
	for _, line := range lines {
		t.Run(strings.Join(line, " "), func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{append(line[:len(line):len(line)], "--help"), append([]string{"help"}, line...)} {
				var out, errs bytes.Buffer
				code := execute(t.Context(), args, streams{In: strings.NewReader(""), Out: &out, Err: &errs})
				if code != exitOK || errs.Len() > 0 {
					t.Errorf("nfsim %q: exit %d, %q", args, code, errs.String())
				}
				if text := out.String(); !strings.Contains(text, "Examples:\n  ") || !strings.Contains(text, "nfsim") || !strings.Contains(text, "Usage:") {
					t.Errorf("nfsim %q has no examples:\n%s", args, text)
				}
			}
		})
	}
}

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Formats lists the names that Write takes.
func Formats() []string { return []string{"text", "markdown", "json"} }

// FormatError is a format that there is not.
type FormatError struct{ Format string }

// Error lists what there is.
func (e *FormatError) Error() string {
	return fmt.Sprintf("there is no report format %q; there are %s", e.Format, strings.Join(Formats(), ", "))
}

// CheckFormat returns a *FormatError for a name that Write does not take.
func CheckFormat(format string) error {
	if !slices.Contains(Formats(), format) {
		return &FormatError{Format: format}
	}
	return nil
}

// Write writes the report in one of Formats. opts are for text alone.
func Write(w io.Writer, format string, r *Report, opts TextOptions) error {
	switch format {
	case "text":
		return Text(w, r, opts)
	case "markdown":
		return Markdown(w, r)
	case "json":
		return JSON(w, r)
	default:
		return &FormatError{Format: format}
	}
}

// JSON writes the report as indented JSON.
func JSON(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

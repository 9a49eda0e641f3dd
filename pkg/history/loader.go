package history

// MaxLine is the most bytes that one line of a history may have.
const MaxLine = 1 << 20

package outcome

// Group is a question that a word answers.
type Group string

// The groups, in the order in which reports show them.
const (
	Consistency  Group = "consistency"
	Durability   Group = "durability"
	Availability Group = "availability"
	Exclusion    Group = "exclusion"
	Cleanup      Group = "cleanup"
	Scheduling   Group = "scheduling"
	Trial        Group = "trial"
)

// Groups returns all groups in the order in which reports show them.
func Groups() []Group {
	return []Group{Consistency, Durability, Availability, Exclusion, Cleanup, Scheduling, Trial}
}

// Words returns the words of the group, best first.
func (g Group) Words() []Word {
	var words []Word
	for _, e := range vocabulary() {
		if e.group == g {
			words = append(words, e.word)
		}
	}
	return words
}

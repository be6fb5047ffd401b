package tokenizer

import "time"

// Limits on what an untrusted file or text may cost. Each is several times what any published tokenizer needs.
const (
	maxFile     = 128 << 20 // bytes of tokenizer.json; Gemma 3, the largest known, has 33 MiB
	maxPieces   = 4 << 20   // vocabulary entries
	maxMerges   = 8 << 20
	maxAdded    = 1 << 17         // added tokens
	maxDepth    = 8               // Sequence within Sequence
	maxSequence = 64              // steps of one Sequence
	maxLiteral  = 4 << 10         // bytes of a pattern, a replacement or a prefix
	maxText     = 2 << 20         // bytes of text to encode; some 500 000 tokens
	maxWorking  = 8 << 20         // bytes of text while it is normalized
	maxPad      = 1 << 20         // tokens after padding
	regexTime   = 5 * time.Second // for one regular expression over one piece of text
)

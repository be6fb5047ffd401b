package tokenizer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ family, piece, want string }{
		{"gpt2", "Ġthe", " the"},
		{"gpt2", "ĊĊ", "\n\n"},
		{"gpt2", "Ã©", "é"},
		{"gpt2", "Ã", "<0xC3>"},
		{"gpt2", "<|endoftext|>", "<|endoftext|>"},
		{"gpt2", "日", "日"}, // no byte-level piece: as it is
		{"deepseek", "<｜begin▁of▁sentence｜>", "<｜begin▁of▁sentence｜>"},
		{"byte_norm", "Ġtool", " tool"},
		{"llama2", "▁the", " the"},
		{"llama2", "<0x0A>", "\n"},
		{"llama2", "<0xE6>", "<0xE6>"},
		{"llama2", "<s>", "<s>"},
		{"mistral", "▁▁", "  "},
		{"t5_new", "▁cat", " cat"},
		{"bert", "##ing", "ing"},
		{"bert", "##", "##"},
		{"bert", "[CLS]", "[CLS]"},
		{"clip", "cat</w>", "cat "},
		{"word_level", "▁x", "▁x"},
	} {
		if got := load(t, c.family).Clean(c.piece); got != c.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.family, c.piece, got, c.want)
		}
	}
}

func TestCleanAllJoinsCharacters(t *testing.T) {
	got := load(t, "llama2").CleanAll([]string{"▁a", "<0xE6>", "<0x97>", "<0xA5>", "b", "<0xE6>", "c"})
	if d := cmp.Diff([]string{" a", "日", "", "", "b", "<0xE6>", "c"}, got); d != "" {
		t.Error(d)
	}
}

func TestSpacedSeparatesWords(t *testing.T) {
	got := load(t, "bert").Spaced([]string{"[CLS]", "the", "cat", "##s", ",", "the", "end", ".", "[SEP]"})
	if d := cmp.Diff([]string{"[CLS]", "the", " cat", "s", ",", " the", " end", ".", "[SEP]"}, got); d != "" {
		t.Error(d)
	}
	got = load(t, "llama2").Spaced([]string{"▁the", "▁cat", "s"})
	if d := cmp.Diff([]string{" the", " cat", "s"}, got); d != "" {
		t.Error(d)
	}
}

// What is shown of a text, joined, is the text, but for a space in front that some tokenizers add.
func TestCleanAllGivesTheTextBack(t *testing.T) {
	const text = "the cat's 12 cafés, 日本 😀\n  end"
	for _, family := range []string{"gpt2", "roberta", "llama3", "qwen2", "o200k", "deepseek", "smollm2", "llama2", "mistral", "gemma"} {
		tok := load(t, family)
		tokens, err := tok.Encode(text, Options{NoSpecial: true})
		if err != nil {
			t.Fatal(err)
		}
		pieces := make([]string, len(tokens))
		for i, x := range tokens {
			pieces[i] = x.Text
		}
		if got := strings.Join(tok.CleanAll(pieces), ""); strings.TrimPrefix(got, " ") != text {
			t.Errorf("%s: %q, want %q", family, got, text)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ family, text, piece string }{
		{"gpt2", "3", "3"},
		{"gpt2", " the", "Ġthe"},
		{"gpt2", "Ġthe", "Ġthe"},
		{"gpt2", "capital", "Ġcapital"}, // only known as the start of a word
		{"gpt2", "<|endoftext|>", "<|endoftext|>"},
		{"gpt2", "\n", "Ċ"},
		{"llama2", "3", "3"}, // encoded, it would be two pieces
		{"llama2", " the", "▁the"},
		{"llama2", "\n", "<0x0A>"},
		{"mistral", " cat", "▁cat"},
		{"gemma", "the", "the"},
		{"t5_new", " the", "▁the"},
		{"bert", " Paris", "paris"},
		{"bert", "##s", "##s"},
		{"bert", "[MASK]", "[MASK]"},
		{"clip", "Cat", "cat</w>"},
	} {
		tok := load(t, c.family)
		id, err := tok.Target(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.family, err)
			continue
		}
		if got, _ := tok.Token(id); got != c.piece {
			t.Errorf("%s: Target(%q) is %q, want %q", c.family, c.text, got, c.piece)
		}
	}
}

func TestTargetThatIsNotOneToken(t *testing.T) {
	_, err := load(t, "gpt2").Target("cat and")
	if err == nil || !strings.Contains(err.Error(), `is not one token but`) || !strings.Contains(err.Error(), `"Ġand"`) {
		t.Errorf("error %v, want one that lists the pieces", err)
	}
	for _, text := range []string{"", "日日日日", "\x00"} {
		if id, err := load(t, "bert").Target(text); err == nil {
			t.Errorf("Target(%q) = %d, want an error", text, id)
		}
	}
}

package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/lxtc/lxtc/tokenizer"
)

func Example() {
	tok, err := tokenizer.Load("testdata/gpt2.json")
	if err != nil {
		log.Fatal(err)
	}
	const text = "the capital's café"
	tokens, err := tok.Encode(text, tokenizer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tokens {
		fmt.Printf("%-9s%q\n", t.Text, text[t.Start:t.End])
	}
	// Output:
	// the      "the"
	// Ġcapital " capital"
	// 's       "'s"
	// Ġc       " c"
	// a        "a"
	// f        "f"
	// Ã©       "é"
}

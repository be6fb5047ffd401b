package tokenizer

import "testing"

// FuzzDecode: no file makes Decode panic, nor Encode with what it loaded.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}`,
		`{"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]],"unk_token":"a","fuse_unk":true},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a+?|(?i:s)++"},"behavior":"MergedWithNext","invert":true}}`,
		`{"model":{"vocab":{"a":0,"<0x62>":1,"a_":2,"aa_":3},"merges":["a a_"],"end_of_word_suffix":"_"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true}}`,
		`{"model":{"vocab":[["a",0],["é",-1]],"unk_id":0,"byte_fallback":true},"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Nmt"}]}}`,
		`{"model":{"vocab":[["a",0],["b",-1]],"unk_id":0},"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAAAAAAAYQA="}}`,
		`{"model":{"vocab":{"a":0,"##b":1},"unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":9},"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"}}`,
		`{"model":{"vocab":{"a":0},"unk_token":"a"},"post_processor":{"type":"TemplateProcessing","pair":[],"single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}}],"special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]}}}}`,
		`{"model":{"vocab":{"a":0},"unk_token":"a"},"post_processor":{"type":"RobertaProcessing","cls":["a",0],"sep":["a",0],"trim_offsets":true,"add_prefix_space":true},"pre_tokenizer":{"type":"Metaspace","replacement":"é"}}`,
		`{"model":{"vocab":{"a":0},"unk_token":"a"},"added_tokens":[{"id":1,"content":"<x>","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":true}],"normalizer":{"type":"Replace","pattern":{"Regex":"^|x"},"content":"é"}}`,
		`{"model":{"vocab":{"a":0},"unk_token":"a"},"truncation":{"max_length":2,"direction":"Left"},"padding":{"strategy":{"Fixed":7},"pad_id":0,"pad_token":"a"}}`,
	} {
		if _, err := Decode([]byte(seed)); err != nil {
			f.Fatal(seed, err)
		}
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Decode(data)
		if err != nil {
			return
		}
		checkEncode(t, tok, "a abé Ss\u0301日\x00 <x>\xff")
	})
}

// FuzzEncode: no text makes Encode or Target panic, and spans lie in the text.
func FuzzEncode(f *testing.F) {
	var toks []*Tokenizer
	for _, family := range families(f) {
		toks = append(toks, load(f, family))
	}
	for _, s := range []string{"", "a <mask> b", "\x7fé\u0301\u0323", "it's 12\n\n", "\xff\xfe", "日本語ｶﾞ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			checkEncode(t, tok, text)
		}
	})
}

func checkEncode(t *testing.T, tok *Tokenizer, text string) {
	t.Helper()
	tokens, err := tok.Encode(text, Options{Truncate: true, Pad: len(text) < 100})
	if err != nil {
		return
	}
	pieces := make([]string, len(tokens))
	for i, x := range tokens {
		pieces[i] = x.Text
		if x.Start < 0 || x.Start > x.End || x.End > len(text) {
			t.Fatalf("token %q of %q lies at %d to %d", x.Text, text, x.Start, x.End)
		}
	}
	if got := tok.CleanAll(pieces); len(got) != len(pieces) {
		t.Fatalf("%d clean pieces of %d", len(got), len(pieces))
	}
	if len(text) < 100 {
		_, _ = tok.Target(text) // must not panic
	}
}

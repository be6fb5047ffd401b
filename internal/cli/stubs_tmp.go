package cli

func (a *app) openEmbedded() (*subject, error) { panic("later") }

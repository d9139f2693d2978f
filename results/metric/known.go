package metric

// The metrics of this program's own tasks.
var (
	// Loss is the mean cross-entropy: of examples, or of the tokens of a language model.
	Loss = Metric{Name: "loss", Label: "cross-entropy", Unit: "nats"}
	// Top1 is how often the most likely class, or token, is the right one.
	Top1 = Metric{Name: "top1", HigherBetter: true, Label: "top-1 accuracy", Unit: "%"}
	// Top5 is how often the right class is among the five most likely ones.
	Top5 = Metric{Name: "top5", HigherBetter: true, Label: "top-5 accuracy", Unit: "%"}
	// Perplexity is the exponential of the loss per token.
	Perplexity = Metric{Name: "perplexity", Label: "perplexity"}
	// BitsPerByte is the loss of all tokens in bits by the bytes of their text, which does not depend on the tokenizer.
	BitsPerByte = Metric{Name: "bits_per_byte", Label: "bits per byte"}
	// MSE is the mean squared error.
	MSE = Metric{Name: "mse", Label: "mean squared error"}
	// MAE is the mean absolute error.
	MAE = Metric{Name: "mae", Label: "mean absolute error"}
)

var known = []Metric{Loss, Top1, Top5, Perplexity, BitsPerByte, MSE, MAE}

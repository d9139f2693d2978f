package averaging

import "math"

// Profile says in numbers what coefficients do. Ages are counted in checkpoints: the endpoint has age 0.
type Profile struct {
	Sum            float64 `json:"sum"`
	MeanAge        float64 `json:"mean_age"`        // Σ cᵢ·ageᵢ
	EffectiveCount float64 `json:"effective_count"` // 1/Σ cᵢ²: independent noise of the checkpoints falls to 1/√ of it
	HalfLife       float64 `json:"half_life"`       // how many of the newest checkpoints hold half of the sum
	NearestK       int     `json:"nearest_k"`       // the k whose plain mean is nearest in mean age and effective count
}

// NewProfile describes the coefficients of an average at the endpoint. The half-life is interpolated
// within a checkpoint: for an EMA it is nearly ln 2/−ln β. The mean of k checkpoints has mean age (k−1)/2
// and effective count k; the nearest k is the one with the least (ln k − ln(2a+1))² + (ln k − ln n)² for
// the mean age a and effective count n.
func NewProfile(c Coefficients, endpoint int) Profile {
	var p Profile
	squares := 0.0
	values := c.Values()
	for i, v := range values {
		p.Sum += v
		p.MeanAge += v * float64(endpoint-c.Indices[i])
		squares += v * v
	}
	p.EffectiveCount = 1 / squares
	held := 0.0
	for i := len(values) - 1; i >= 0; i-- {
		if v := values[i]; held+v >= p.Sum/2 {
			p.HalfLife = float64(endpoint-c.Indices[i]) + (p.Sum/2-held)/v
			break
		}
		held += values[i]
	}
	ideal := (math.Log(max(1, 2*p.MeanAge+1)) + math.Log(max(1, p.EffectiveCount))) / 2
	k := math.Floor(math.Exp(ideal))
	if math.Log(k+1)-ideal < ideal-math.Log(k) {
		k++
	}
	p.NearestK = int(k)
	return p
}

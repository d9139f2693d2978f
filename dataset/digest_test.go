package dataset

import (
	"math/rand/v2"
	"testing"
)

// Evaluations that were kept are found by these digests: those of the first version, which held every part of a split
// in memory of its own.
func TestDigestsStayWhatTheyWere(t *testing.T) {
	sets := map[string]*Set{}
	for _, c := range []struct {
		text, dir, split string
		n                int // 0: all
		seed             uint64
		want             string
	}{
		{"mnist", "", "train", 0, 0, "2c07accd23be1b788192fad0ff3c96eca666a97aa5a53be249a6d47dd5d03dfd"},
		{"mnist", "", "train", 2, 0, "e1f0bc3b832b6f74a2565876b7b1da6614bac007dcf6c106ee9ed9f9fc090fe4"},
		{"mnist", "", "train", 2, 7, "2daff12cbb9e554e8cbb585e82bf9793527566b4924df97f547a967061f80d31"},
		{"mnist", "", "val", 0, 0, "60ebf7537468bab3ae6d09870beb382b97257f87cfc6e07f5172f26b912a3c1d"},
		{"mnist", "", "val", 2, 0, "3f853ccfdd09d9ec29419e0e2b2def230b6d9ea889d69a7acbd2790632526249"},
		{"mnist", "", "val", 2, 7, "bb88d4482cdb5ee17599ba0724ae00b145b8edee6ce8e735429e2443eef33ecf"},
		{"mnist", "", "val-half1", 0, 0, "ea9e0d102e1ed2a54e95d696c2713b7f0d939590878fc39d45ada90e18dabe9d"},
		{"mnist", "", "val-half1", 2, 0, "8fed7e4665f3f7eb7c789b86c828058c9f2665fb8ab16ae8084b42e2c291a1ea"},
		{"mnist", "", "val-half1", 2, 7, "8caa0712f0c06ca9d9ea7712da209ae3bb23a425bd7c22ef4a3f0c04c55a877d"},
		{"mnist", "", "val-half2", 0, 0, "87827fd4da15ccc4eb3d7fee0d9b6c0d480fd009d755f9ddec0a89b07ccb19d9"},
		{"mnist", "", "val-half2", 2, 0, "bd9c44cee55a19ab761cbf30d0b21fcf3ae53813772b4466ce3c1e5ac1069c7a"},
		{"mnist", "", "val-half2", 2, 7, "00782761b2f24d91de1052a17d8e3a411fe87bbb878e349aa9f0cd2a9c399ed1"},
		{"mnist:train=6000,shift=2", "", "train", 0, 0, "ea7349c2e1af3b59fbebed65ea8ca4b92613f453a1d2e424a8e899bc746f8792"},
		{"mnist:train=6000,shift=2", "", "train", 2, 0, "e1f0bc3b832b6f74a2565876b7b1da6614bac007dcf6c106ee9ed9f9fc090fe4"},
		{"mnist:train=6000,shift=2", "", "train", 2, 7, "7d4b306a11275ac0795b5fd28fc8c188e1e36aaff0ed08a515a310a4305817e4"},
		{"mnist:train=6000,shift=2", "", "val", 0, 0, "60ebf7537468bab3ae6d09870beb382b97257f87cfc6e07f5172f26b912a3c1d"},
		{"mnist:train=6000,shift=2", "", "val", 2, 0, "3f853ccfdd09d9ec29419e0e2b2def230b6d9ea889d69a7acbd2790632526249"},
		{"mnist:train=6000,shift=2", "", "val", 2, 7, "bb88d4482cdb5ee17599ba0724ae00b145b8edee6ce8e735429e2443eef33ecf"},
		{"mnist:train=6000,shift=2", "", "val-half1", 0, 0, "ea9e0d102e1ed2a54e95d696c2713b7f0d939590878fc39d45ada90e18dabe9d"},
		{"mnist:train=6000,shift=2", "", "val-half1", 2, 0, "8fed7e4665f3f7eb7c789b86c828058c9f2665fb8ab16ae8084b42e2c291a1ea"},
		{"mnist:train=6000,shift=2", "", "val-half1", 2, 7, "8caa0712f0c06ca9d9ea7712da209ae3bb23a425bd7c22ef4a3f0c04c55a877d"},
		{"mnist:train=6000,shift=2", "", "val-half2", 0, 0, "87827fd4da15ccc4eb3d7fee0d9b6c0d480fd009d755f9ddec0a89b07ccb19d9"},
		{"mnist:train=6000,shift=2", "", "val-half2", 2, 0, "bd9c44cee55a19ab761cbf30d0b21fcf3ae53813772b4466ce3c1e5ac1069c7a"},
		{"mnist:train=6000,shift=2", "", "val-half2", 2, 7, "00782761b2f24d91de1052a17d8e3a411fe87bbb878e349aa9f0cd2a9c399ed1"},
		{"cifar10", "../testdata/cifar10", "val", 0, 0, "65fda4a7e3cb30c6336d9f6b14315ef0c881c1f778089bd74213471cdee67028"},
		{"cifar10", "../testdata/cifar10", "val", 2, 0, "2c2e91ee42879c3ece7a20778926b9bc5f7d2a015cf5f1bf14495703dee54bcc"},
		{"cifar10", "../testdata/cifar10", "val", 2, 7, "cd9709de9b021b5da8f5aaf9c1ea80576838171a5fc1c1eca6801f8918b59b2a"},
		{"cifar10", "../testdata/cifar10", "val-half1", 0, 0, "7b0cea7e7049eade9502795efb85f5fc4510d79c810cee6bd710b2dc4fff630c"},
		{"cifar10", "../testdata/cifar10", "val-half1", 2, 0, "684729ffaf17c7f01b5a321547ed526ef12684f43b04b881c6330345664aae41"},
		{"cifar10", "../testdata/cifar10", "val-half1", 2, 7, "918fbfc17b300b635faa198b4d980de2b51c13c18f8e04b1660f5c3b189be827"},
		{"cifar10", "../testdata/cifar10", "val-half2", 0, 0, "d358fa3b0c56eb8d6fbd4fa5ac7f5c5b3c5105bd7d29477b3d8203d9581dff48"},
		{"cifar10", "../testdata/cifar10", "val-half2", 2, 0, "d87e544401fedfd7cfe31e217a4c449bce66874b2500f7ff06bbc03fb90257b7"},
		{"cifar10", "../testdata/cifar10", "val-half2", 2, 7, "4829b88544fb22cd7474a90a7d390843692c9ab72b8c7932b60cbe53d0b3ace9"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val", 0, 0, "fbe0c082ea18328b11ad8534903a1c132ad97dbdefb1d326422f1e9eecc3d25a"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val", 2, 0, "8b6eedbe0cb3d4d90e8ca4758f4d66f0f89b46edd6f6f5ee288179ec4ca5dd52"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val", 2, 7, "df8ec70917a4d0f4f54fb6c3b8c5f570b765982ccd1e8860f7b7dba1c017b1af"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half1", 0, 0, "a9e8f7db89b20a1f24dc60b5a73ff9aae063718c2e31e39e4a9871d6a63a2238"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half1", 2, 0, "b1a28431fbccb655d2a2938eac0f8fb7bf746a90c86d70c90294b2eb44b4894b"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half1", 2, 7, "cd3c483bf926018522240d93c19c8d001542454c1e2d348cb5de99d935760942"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half2", 0, 0, "6fad0520035a2361f3fe72a6523164fd318cc8df1a63ce9d61e5de458708d201"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half2", 2, 0, "6fad0520035a2361f3fe72a6523164fd318cc8df1a63ce9d61e5de458708d201"},
		{"cifar10:norm=cifar,val=5", "../testdata/cifar10", "val-half2", 2, 7, "df8ec70917a4d0f4f54fb6c3b8c5f570b765982ccd1e8860f7b7dba1c017b1af"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val", 0, 0, "3f80ed34c1fa358577baead7d32142040a1031ee2a2f2c33d1f5ceff0862da4b"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val", 2, 0, "e9a3a0f2388f3cb4d81c70efd40d19ffc93b39d3baa8ba8bca6fb10e854d48be"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val", 2, 7, "00c5ed75814b6b142591218b6bb637c2e39406296dcb0d00ab81d078b72318c0"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val-half2", 0, 0, "3ffe087c02607e08f9880b2ee5b692bd9706c0361349d6a1cbf46236b81ef782"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val-half2", 2, 0, "713b2ed60f105d715d92c91e3fb04f72b83e224ec219aff7a2ee7614fff06923"},
		{"tensors:../testdata/script/mlp/val.safetensors", "", "val-half2", 2, 7, "04fff69dc12fc68e9662939a758854d645e92a0225caa40ca3a4825df92b931e"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val", 0, 0, "3f80ed34c1fa358577baead7d32142040a1031ee2a2f2c33d1f5ceff0862da4b"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val", 2, 0, "e9a3a0f2388f3cb4d81c70efd40d19ffc93b39d3baa8ba8bca6fb10e854d48be"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val", 2, 7, "00c5ed75814b6b142591218b6bb637c2e39406296dcb0d00ab81d078b72318c0"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val-half2", 0, 0, "3ffe087c02607e08f9880b2ee5b692bd9706c0361349d6a1cbf46236b81ef782"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val-half2", 2, 0, "713b2ed60f105d715d92c91e3fb04f72b83e224ec219aff7a2ee7614fff06923"},
		{"tensors:../testdata/script/mlp/val.npz", "", "val-half2", 2, 7, "04fff69dc12fc68e9662939a758854d645e92a0225caa40ca3a4825df92b931e"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val", 0, 0, "39d132b882a74c687b83b71e650efba965bf0eaa42beb74bd37df244d4b31740"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val", 2, 0, "cbf59084f3cb10b39ec9540f59bce8d402f2c58595691f75f56ce72664d44db2"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val", 2, 7, "41e3300f994fd98d3861410484efb87426618b540f612329a00f0f8b5af9d02d"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val-half2", 0, 0, "bf3095ce3c1121bc4a8daf0e96b5c9515e2a50a6171ef9da69c36fedd56ed143"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val-half2", 2, 0, "ca300d11ca1c261428fd0b2a0effaae1aa5b6cf7f4a48ffa2ca064e1014267f2"},
		{"tensors:../testdata/script/conv/bn.safetensors", "", "val-half2", 2, 7, "4994026ba6ba1be1c2a8cf8be634b0249e4fc918c5661be0c6aa39b89ee61545"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val", 0, 0, "abe705353dc1cb3fdb2511b73289d7cffad3acd26cfad79615c9443bde6c0793"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val", 2, 0, "b5d2c25d1f1305826ce2c6da29340bf3e909d0ed095aa1e493baba0d03c3d488"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val", 2, 7, "89fbe8a4e194fb071e11cee305449eef22e7ac0d62ab36a783c9ca5293b86564"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val-half2", 0, 0, "284ea5b741f209117c383b1149609dc9391462b6149cb5157b4143d116d03364"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val-half2", 2, 0, "45e6240c11689ea3813d2600d3aa54d246086efbf0883a9258582ef967d2cb57"},
		{"tensors:../testdata/script/lm/val.safetensors", "", "val-half2", 2, 7, "45e6240c11689ea3813d2600d3aa54d246086efbf0883a9258582ef967d2cb57"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val", 0, 0, "1f4bf5c53e269ae0dd9a6e8f871282057a151bf9388b98de400364fec4c08c9f"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val", 2, 0, "0b35fb2b04da8d2e93a4546b3145bf141bab955922afd2e568ce13975806496b"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val", 2, 7, "83aa7df53ea5a016a248700c333465da0950dbbe333ebb77e1973e631ec66482"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val-half2", 0, 0, "3a03494aab2d0581831ceac9d9b2c8b47260f92a083eb7d4e45d0f3182a9f761"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val-half2", 2, 0, "e260783435beab82490c7095812fb3ca6d1b59c38af15663b12ad94f0ab45a8e"},
		{"tensors:../testdata/script/mlp/inputs.npy", "", "val-half2", 2, 7, "446cead53c9686cd8f1eeab9b4acc9dff25d53f09052e30fd2ee666ebaa67ad6"},
	} {
		set := sets[c.text]
		if set == nil {
			var err error
			if set, err = Open(c.text, c.dir); err != nil {
				t.Fatal(err)
			}
			sets[c.text] = set
		}
		s, err := set.Split(c.split)
		if err != nil {
			t.Fatal(err)
		}
		if c.seed > 0 {
			s = Shuffled(s, c.seed, c.n)
		} else if c.n > 0 {
			s = Head(s, c.n)
		}
		if d := digest(t, s); d != c.want {
			t.Errorf("%s, %s, %d examples, seed %d: %s, expected %s", c.text, s.Name(), c.n, c.seed, d, c.want)
		}
	}
}

// Fields that change their names or places, or are normalised otherwise, make another split.
func TestDigestsTellFieldsApart(t *testing.T) {
	a, b := []byte{1, 2, 3, 4}, []byte{5, 6, 7, 8}
	norm := func(mean float32) *Norm { return &Norm{[]float32{mean}, []float32{1}} }
	seen := map[string]int{}
	for i, fields := range [][2]Field{
		{{Name: Inputs}, {Name: Targets}}, {{Name: Targets}, {Name: Inputs}},
		{{Name: "left"}, {Name: "right"}}, {{Name: "right"}, {Name: "left"}},
		{{Name: "left", Normalize: norm(0)}, {Name: "right"}}, {{Name: "right", Normalize: norm(0)}, {Name: "left"}},
		{{Name: "left", Normalize: norm(1)}, {Name: "right"}},
		{{Name: Inputs, Normalize: norm(0)}, {Name: Targets}}, {{Name: Inputs, Normalize: norm(1)}, {Name: Targets}},
	} {
		for j := range fields {
			fields[j].DType, fields[j].Shape = "U8", []int64{2}
		}
		s, err := NewTensors("val", 2, Array{fields[0], a}, Array{fields[1], b})
		if err != nil {
			t.Fatal(err)
		}
		d := digest(t, s)
		if j, twice := seen[d]; twice {
			t.Errorf("splits %d and %d have one digest", j, i)
		}
		seen[d] = i
	}
}

// careless forgets the targets.
type careless struct{ Split }

func (c careless) Read(b *Batch, indices []int, _ *rand.Rand) error {
	b.Reset(len(indices), c.Fields()[0])
	return nil
}

// A split whose batches lack a field has no digest.
func TestDigestOfTooLittle(t *testing.T) {
	field := func(name string) Array { return Array{Field{Name: name, DType: "U8"}, []byte{1}} }
	s, err := NewTensors("val", 1, field(Inputs), field(Targets))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Digest(careless{s}); err == nil {
		t.Errorf("%s", d)
	}
}

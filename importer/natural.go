package importer

import (
	"fmt"
	"slices"
	"strings"
)

// natural compares names with the numbers in them as numbers: epoch_9 comes before epoch_10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA, numA := chunk(a)
		y, restB, numB := chunk(b)
		if numA && numB {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return len(a) - len(b)
}

// chunk cuts off the digits at the front, or what comes before the first ones.
func chunk(s string) (head, rest string, number bool) {
	number = digit(s[0])
	i := 1
	for i < len(s) && digit(s[i]) == number {
		i++
	}
	return s[:i], s[i:], number
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// atMost shortens a list for a message.
func atMost(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(slices.Clone(list[:most]), fmt.Sprintf("  … and %d more", len(list)-most))
}

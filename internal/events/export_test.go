package events

import (
	"crypto/rsa"
	"math/big"
)

// DecryptWithExponentOne reads a block of so many bytes that nobody has encrypted.
func DecryptWithExponentOne(size int, block []byte) ([]byte, error) {
	return decryptWithPublicKey(&rsa.PublicKey{N: Modulus(size), E: 1}, block)
}

// Modulus is the one of DecryptWithExponentOne.
func Modulus(size int) *big.Int {
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
	return modulus.Add(modulus, big.NewInt(1))
}

// AnswersOf is the status for a reason, and its sentence.
func AnswersOf(r Reason) (int, string) { return answers[r].status, answers[r].sentence }

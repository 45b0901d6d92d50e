// Package relay passes requests that reach one replica on to the one that leads, and says in the Lease where that is.
//
// All replicas receive, and only one works: whoever is in front of them cannot know which. So a replica's Identity, which is
// what it puts into the Lease when it leads, holds its address and the fingerprint of a certificate that it has made for
// itself when it started. The others read the Lease, which they may anyway, and send the request there as it is, over TLS to
// the holder of that certificate and nobody else. The certificate that the world sees has no part in that: it may be another
// one for each replica, and change at another time in each.
//
// What is passed on is verified again by whoever gets it, as if it came from outside. Passing on needs no trust, and no right
// that the election of a leader does not.
package relay

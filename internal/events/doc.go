// Package events receives what the cloud announces: that a command has ended on an instance. It checks who sent it,
// reads which invocation it is about, and hands that out as a Hint. It is the receiving end only: it knows neither the
// engine nor any object of Kubernetes.
//
// # A hint, never a truth
//
// A Hint says "ask now". Nothing of an event becomes a result. So a lost, late, repeated or forged event changes no
// result, and whatever checks remain open here (see below) cost at most a question to the API, within the limits that
// the one who asks has anyway. Error ends are never announced, and nothing is announced with certainty: who receives
// hints goes on asking by itself, if less often.
//
// # EventBridge
//
// A rule of the event bus "default" posts a CloudEvent to PathEventBridge. A request is taken in this order, the cheap
// first, so that a stranger costs as little as possible:
//
//  1. The headers alone, before a byte of the body is read: version, algorithm, age within 60 seconds either way, the
//     token in constant time, and that the certificate's URL is one of the vendor's.
//  2. The body, up to 256 KiB.
//  3. The signature over the raw bytes of the body, before anything parses them.
//  4. The event.
//
// The text that is signed begins with the URL that the rule's target names, which is configured: behind an Ingress the
// request's own host and path are others, and they are whatever a forger likes.
//
// What a signature proves is that EventBridge sent the request to this URL, for whomever: every customer can make a rule
// whose target is our URL and whose events say what he likes. The token is what proves that it is a rule of ours, so
// configure one. Not even the token is covered by every form of the signature; it is compared in all of them.
//
// The documentation and the vendor's own code disagree on whether a newline follows the body and whether the token is
// signed. All four combinations are accepted: what they disagree on does not let one request pass for another.
//
// The older form, an HMAC under a secret that comes with the request, is off unless asked for, and then wants a token. The
// secret is encrypted with the vendor's private key, that is, readable for everybody, and bound to neither a time nor a
// receiver: who has received one event at an endpoint of his own can sign with it what he likes, as often as he likes.
// A request that has both signatures is judged by the newer one alone, whatever the other is.
//
// In binary mode the headers Ce-* are not signed. They tell what kind of event it is, its ID and its region; the
// invocation and the instance are in the body, which is signed.
//
// # CloudMonitor
//
// Its webhook is not signed. It is received at PathCloudMonitor only, which does not exist unless a token is configured;
// the webhook's URL carries that as ?token=…, or the request as a bearer token. The fields of a TaskCompleted event are not
// documented. Where none of the places that may name the invocation does, the hint has no InvokeID, and means: something
// has ended in this region.
//
// # Batches
//
// application/cloudevents-batch+json is refused as malformed. Targets of rules get one event a request, and only rules
// see the events of the cloud's own products; batches come from event streams, which do not. To half accept a batch
// would need an answer that HTTP does not have.
package events

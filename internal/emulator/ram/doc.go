// Package ram judges requests by policies of Resource Access Management, Alibaba Cloud's access control. It knows
// the part of the policy language that the emulator can judge honestly, and refuses documents that use more.
//
// Everything here is pure: documents and a question in, a decision out.
package ram

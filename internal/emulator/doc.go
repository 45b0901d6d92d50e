// Package emulator is a local server of the Cloud Assistant part of the ECS API (version 2014-05-26), with as
// much of STS (2015-04-01) as its clients need. Real clients work against it unchanged, with either signature;
// commands really run, as local processes on pretended instances; and it misbehaves on demand.
//
//	e, err := emulator.New(emulator.Options{
//		AccessKeys: []emulator.AccessKey{{ID: "id", Secret: "secret"}},
//		Instances:  emulator.NumberedInstances(3, "cn-hangzhou", emulator.DefaultAccountID),
//	})
//	defer e.Close()
//	url, err := e.Start("127.0.0.1:0")
//
// State outlives the listener: Stop and Start again is an outage of the API during which commands go on.
//
// # What the vendor does not document
//
// Where the vendor's pages are silent the emulator chooses, and says so where it does. The choices that a client
// can see: rows are listed newest first; IncludeHistory lists the past runs and not the live row, is refused with
// InvalidParameter.IncludeHistory on an invocation without a schedule, and with MissingParameter.InvokeId
// without an invocation; an invocation that does not exist is an empty list and no error; TotalCount, PageNumber
// and PageSize are 0 with MaxResults or NextToken, and NextToken is empty with PageNumber or PageSize.
//
// # It runs commands
//
// Whoever can reach the listener and knows an access key runs commands as the user of this process. Start
// refuses any address that is not loopback unless Options.AllowRemote is set.
package emulator

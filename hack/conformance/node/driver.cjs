// Calls the emulator through the vendor's Node SDK, as it is. Reads one call a line from standard input, as JSON, and
// writes one reply a line to standard output; the runner says what a call and a reply are. Ends with its input.
'use strict';

const readline = require('node:readline');
const $dara = require('@darabonba/typescript');
const core = require('@alicloud/openapi-core');
const products = {
  Ecs: {version: '2014-05-26', sdk: require('@alicloud/ecs20140526')},
  Sts: {version: '2015-04-01', sdk: require('@alicloud/sts20150401')},
};

const endpoint = process.argv[2];
// "v2" is the SDK's name of the older RPC signature; without it the SDK signs by ACS3-HMAC-SHA256.
const signatureAlgorithm = process.argv[3];

// The SDK reads its clock here and nowhere else.
const utils = require('@alicloud/openapi-core/dist/utils').default;
const timestamp = utils.getTimestamp;

function client(call) {
  const Client = products[call.product].sdk.default;
  return new Client(new core.$OpenApiUtil.Config({
    ...call.identity, endpoint, signatureAlgorithm, protocol: 'http', regionId: 'cn-hangzhou',
  }));
}

// typed makes the SDK's request out of the names on the wire, calls its method, and reads its response's own elements.
async function typed(call, runtime) {
  const {sdk} = products[call.product];
  const method = call.action[0].toLowerCase() + call.action.slice(1) + 'WithOptions';
  const Request = sdk[call.action + 'Request'];
  // An action without parameters has no request.
  const requests = Request ? [$dara.cast(call.parameters, new Request({}))] : [];
  const response = await client(call)[method](...requests, runtime);
  return response.body.toMap();
}

// untyped calls an action that the SDK has no method for.
async function untyped(call, runtime) {
  const parameters = new core.$OpenApiUtil.Params({
    action: call.action, version: products[call.product].version, protocol: 'HTTP', pathname: '/', method: 'POST',
    authType: 'AK', style: 'RPC', reqBodyType: 'formData', bodyType: 'json',
  });
  const request = new core.$OpenApiUtil.OpenApiRequest({query: core.OpenApiUtil.query(call.parameters)});
  const response = await client(call).callApi(parameters, request, runtime);
  return response.body;
}

async function answer(call) {
  const runtime = new $dara.RuntimeOptions({connectTimeout: 10000, readTimeout: 10000});
  utils.getTimestamp = () =>
    new Date(Date.parse(timestamp()) + call.clockSkewSeconds * 1000).toISOString().replace(/\.\d+/, '');
  try {
    return {decoded: await (call.untyped ? untyped : typed)(call, runtime)};
  } catch (error) {
    if (!error.statusCode) {
      return {failure: `${error.name}: ${error.message}`};
    }
    const {statusCode: status, code, message, requestId: requestID, retryAfter: retryAfterMillis} = error;
    return {refusal: {status, code, message, requestID, retryAfterMillis}};
  }
}

async function main() {
  for await (const line of readline.createInterface({input: process.stdin})) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
  }
}

main().then(() => process.exit(0));

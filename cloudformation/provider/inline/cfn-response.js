// What AWS puts beside inline code under the name cfn-response: the answer to CloudFormation for a custom resource.
// (CloudFormation User Guide, "cfn-response module".)
exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  return new Promise((resolve, reject) => {
    const request = require(url.protocol === 'http:' ? 'http' : 'https').request(
      {
        hostname: url.hostname,
        port: url.port || undefined,
        path: url.pathname + url.search,
        method: 'PUT',
        headers: { 'content-type': '', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume();
        context.done();
        resolve();
      },
    );
    request.on('error', (error) => {
      console.log('send(..) failed executing https.request(..): ' + error);
      context.done();
      reject(error);
    });
    request.end(body);
  });
};

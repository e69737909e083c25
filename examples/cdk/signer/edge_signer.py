# Signs requests to an Object Lambda access point at origin-request, with hashlib and hmac alone.
import datetime
import hashlib
import hmac
import os


def handler(event, context):
    cf = event["Records"][0]["cf"]
    request = cf["request"]
    domain = request["origin"]["custom"]["domainName"]
    if request["method"] != "GET" or ".s3-object-lambda." not in domain:
        return request
    region = domain.split(".")[2]
    now = datetime.datetime.now(datetime.timezone.utc)
    date, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": domain,
        "x-amz-cf-id": cf["config"]["requestId"],
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-date": stamp,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
    }
    names = ";".join(sorted(headers))
    canonical = "\n".join([
        request["method"], request["uri"], request["querystring"],
        *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, "UNSIGNED-PAYLOAD"])
    scope = f"{date}/{region}/s3-object-lambda/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in [date, region, "s3-object-lambda", "aws4_request", text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={key.hex()}")
    del headers["x-amz-cf-id"]  # which a function may not set: CloudFront adds it
    for name, value in headers.items():
        request["headers"][name] = [{"key": name, "value": value}]
    return request

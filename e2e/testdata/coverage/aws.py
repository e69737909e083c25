#!/usr/bin/env python3
"""Writes what AWS has, of the services that glassine serves: operations.txt from botocore's models, and types.txt from the CDK's
library of resource types (npm ci in examples/cdk first). Run it with the newest botocore that there is:

    python3 -m venv /tmp/v && /tmp/v/bin/pip install botocore && /tmp/v/bin/python e2e/testdata/coverage/aws.py

and then: go test ./e2e -run TestCoverage -update
"""
import glob
import gzip
import json
import os
import re

import botocore

here = os.path.dirname(os.path.abspath(__file__))
models = os.path.join(os.path.dirname(botocore.__file__), "data")
cdk = os.path.join(here, "../../../examples/cdk/node_modules/aws-cdk-lib")

services = ["s3", "s3control", "lambda", "iam", "sts", "cloudfront", "cloudformation", "logs", "ssm", "cloudtrail"]
with open(os.path.join(here, "operations.txt"), "w") as out:
    print("# AWS's operations by botocore %s: the service, the operation, its method and path. aws.py writes this file." % botocore.__version__, file=out)
    for service in services:
        version = sorted(os.listdir(os.path.join(models, service)))[-1]
        path = glob.glob(os.path.join(models, service, version, "service-2.json*"))[0]
        with (gzip.open if path.endswith(".gz") else open)(path) as f:
            model = json.load(f)
        for name, operation in sorted(model["operations"].items()):
            print(service, name, operation["http"]["method"], operation["http"]["requestUri"], file=out)

libraries = ["s3", "s3objectlambda", "iam", "lambda", "logs", "ssm", "cloudfront"]
with open(os.path.join(cdk, "package.json")) as f:
    version = json.load(f)["version"]
with open(os.path.join(here, "types.txt"), "w") as out:
    print("# CloudFormation's resource types by aws-cdk-lib %s: the type, and its properties. aws.py writes this file." % version, file=out)
    types = {}
    for library in libraries:
        with open(os.path.join(cdk, "aws-" + library, "lib", library + ".generated.js")) as f:
            text = f.read()
        for full in set(re.findall(r'CFN_RESOURCE_TYPE_NAME="(AWS::\w+::\w+)"', text)):
            body = re.search(r"function convertCfn" + full.split("::")[2] + r"PropsToCloudFormation\(properties\)\{.*?assertSuccess\(\),\{(.*?)\}\):properties\}", text)
            types[full] = sorted(set(re.findall(r"(?:^|,)(\w+):", body.group(1)))) if body else []
    for full in sorted(types):
        print(full, *types[full], file=out)

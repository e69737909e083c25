# The signer under the name that Lambda's console gives: lambda_function.lambda_handler.
from edge_signer import handler as lambda_handler

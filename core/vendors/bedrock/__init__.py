"""AWS Bedrock: Claude in Anthropic's form, all others by Converse."""

"""Why a build failed: the cause in its log, missing system packages, evidence of a lack of memory."""

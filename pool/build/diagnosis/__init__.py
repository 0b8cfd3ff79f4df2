"""Why a build failed: the cause in its log, missing system packages, a lack of memory."""

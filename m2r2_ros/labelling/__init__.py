# SPDX-License-Identifier: Apache-2.0
"""`m2r2 label`: a page in the browser on which recordings are seen, heard, cut and named."""

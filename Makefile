# The same few words as the npm scripts.
.PHONY: build start test test-quick lint format bench conformance cluster clients attack soak durability faults fuzz torture packaging documents monitoring web

node_modules: package.json package-lock.json
	npm ci
	touch node_modules

build start test lint format bench conformance cluster clients attack soak durability faults fuzz torture packaging documents monitoring web: node_modules
	npm run $@

test-quick: node_modules
	npm run test:quick

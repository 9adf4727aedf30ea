// Tests run from dist/; sources, fixtures and models are found from here.
export { PACKAGE_ROOT as REPOSITORY_ROOT } from '../infra/package-facts.ts';

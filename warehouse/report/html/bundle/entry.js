// What the report's page uses: Vega without its loader's network, Vega-Lite, and the interpreter of expressions that
// needs no eval.
import * as vega from "vega";
import * as vegaLite from "vega-lite";
import embed from "vega-embed";
import {expressionInterpreter} from "vega-interpreter";

globalThis.llmscen = {vega, vegaLite, embed, expressionInterpreter};

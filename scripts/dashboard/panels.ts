// The kinds of panel that the dashboard is made of, each with one look everywhere. It knows nothing
// of what they show.
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The Prometheus that the viewer chooses. */
export const datasource = { type: 'prometheus', uid: '${datasource}' } as const;

export type Panel = GraphBuilder | StatBuilder | TimelineBuilder;

/** One query of a panel; the legend may name labels as {{label}}. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** What every kind of panel has. */
export interface PanelOptions {
  readonly title: string;
  /** What a reader should know of the numbers, as a sentence. */
  readonly description: string;
  readonly queries: readonly Query[];
  /** A unit by Grafana's name, such as percentunit, s or bytes. */
  readonly unit: string;
  /** Of the 24 columns of the page. */
  readonly width: number;
}

export interface GraphOptions extends PanelOptions {
  /** lines if left out. */
  readonly style?: 'lines' | 'bars' | 'stacked';
  /** Upper end of the axis; left out, it follows the values. */
  readonly max?: number;
}

/** Values over time. */
export function graph(options: GraphOptions): GraphBuilder {
  const { style = 'lines' } = options;
  const panel = withBasics(new GraphBuilder(), options)
    .min(0)
    .drawStyle(style === 'bars' ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .fillOpacity(style === 'lines' ? 0 : 40)
    .stacking(
      new StackingConfigBuilder().mode(
        style === 'stacked' ? StackingMode.Normal : StackingMode.None,
      ),
    )
    .showPoints(VisibilityMode.Never)
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  return options.max === undefined ? panel : panel.max(options.max);
}

export interface FactOptions extends PanelOptions {
  /** name shows the legend in place of the number. */
  readonly text: 'value' | 'name';
  /** From this number on the value is red; left out, nothing is coloured. */
  readonly redFrom?: number;
}

/** The newest value alone, in large letters. */
export function fact(options: FactOptions): StatBuilder {
  const red = options.redFrom === undefined ? [] : [{ value: options.redFrom, color: 'red' }];
  return withBasics(new StatBuilder(), options)
    .height(4)
    .noValue('–')
    .textMode(options.text === 'name' ? BigValueTextMode.Name : BigValueTextMode.Value)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        // The first is the colour of all that is below the second.
        .steps([{ value: null, color: 'text' }, ...red]),
    );
}

export interface TimelineOptions extends Omit<PanelOptions, 'unit'> {
  /** Word and colour of each value. */
  readonly states: Readonly<Record<string, { readonly text: string; readonly color: string }>>;
}

/** One bar a series, whose colour is its state. */
export function timeline(options: TimelineOptions): TimelineBuilder {
  const states: ValueMapping = { type: MappingType.ValueToText, options: options.states };
  return withBasics(new TimelineBuilder(), { ...options, unit: 'none' })
    .mappings([states])
    .showValue(VisibilityMode.Never)
    .mergeValues(true)
    .legend(legend());
}

function legend(): VizLegendOptionsBuilder {
  return new VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom);
}

function withBasics<P extends Panel>(panel: P, options: PanelOptions): P {
  panel
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .unit(options.unit)
    .height(8)
    .span(options.width);
  for (const [index, { expr, legend: text }] of options.queries.entries()) {
    const refId = String.fromCharCode('A'.charCodeAt(0) + index);
    panel.withTarget(
      new DataqueryBuilder().datasource(datasource).refId(refId).expr(expr).legendFormat(text),
    );
  }
  return panel;
}
